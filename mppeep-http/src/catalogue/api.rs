//! The API's operations in French, for its documentation page.

/// Groups of operations in the order of the page: their tag, and what they are called.
pub(crate) const API_GROUPS: &[(&str, &str)] = &[
    ("session", "Session"),
    ("personnel", "Dossiers du personnel"),
    ("documents", "Documents des agents"),
    ("photos", "Photos"),
    ("absences", "Absences"),
    ("evaluations", "Évaluations"),
    ("payroll", "Paie"),
    ("organisation", "Organisation"),
    ("files", "Fichiers"),
    ("dashboard", "Statistiques"),
    ("notices", "Avis"),
    ("users", "Comptes"),
    ("activities", "Journal d’activité"),
    ("settings", "Paramètres et jours fériés"),
    ("health", "État du service"),
];

/// What an operation does, by its identifier.
#[must_use]
pub(crate) fn operation_title(id: &str) -> Option<&'static str> {
    TITLES
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, title)| *title)
}

const TITLES: &[(&str, &str)] = &[
    ("get_session", "Lire son compte et ses droits"),
    ("end_session", "Se déconnecter"),
    ("list_personnel", "Lister les dossiers"),
    ("create_personnel", "Créer un dossier"),
    ("get_personnel", "Lire un dossier"),
    ("update_personnel", "Modifier un dossier"),
    ("archive_personnel", "Archiver un dossier après un départ"),
    ("restore_personnel", "Reprendre un dossier archivé"),
    ("list_personnel_absences", "Lister les absences d’un agent"),
    ("list_personnel_evaluations", "Lister les évaluations d’un agent"),
    ("list_absences", "Lister les absences"),
    ("record_absence", "Enregistrer une absence"),
    (
        "preview_absence",
        "Compter les jours d’une période sans l’enregistrer",
    ),
    ("get_absence", "Lire une absence"),
    ("correct_absence", "Corriger une absence"),
    ("cancel_absence", "Annuler une absence"),
    ("list_evaluations", "Lister les évaluations"),
    ("record_evaluation", "Enregistrer une évaluation"),
    ("get_evaluation", "Lire une évaluation"),
    ("correct_evaluation", "Corriger une évaluation"),
    ("list_slips", "Lister les bulletins"),
    ("compute_slip", "Calculer un bulletin"),
    ("get_slip", "Lire un bulletin"),
    ("validate_slip", "Valider un bulletin"),
    ("get_payroll_month", "Suivre le calcul d’un mois"),
    ("start_payroll_month", "Lancer le calcul d’un mois"),
    ("get_organisation", "Lire l’organigramme"),
    ("create_programme", "Créer un programme"),
    ("get_programme", "Lire un programme"),
    ("update_programme", "Modifier un programme"),
    ("create_directorate", "Créer une direction"),
    ("get_directorate", "Lire une direction"),
    ("update_directorate", "Modifier une direction"),
    ("create_department", "Créer un service"),
    ("get_department", "Lire un service"),
    ("update_department", "Modifier un service"),
    ("get_dashboard_stats", "Lire les statistiques"),
    ("list_notices", "Lister ses avis"),
    ("mark_notices_read", "Marquer des avis comme lus"),
    ("list_users", "Lister les comptes"),
    ("create_user", "Créer un compte"),
    ("get_user", "Lire un compte"),
    ("update_user", "Modifier un compte"),
    ("set_user_password", "Donner un mot de passe à un compte"),
    ("list_user_sessions", "Lister les sessions d’un compte"),
    ("end_user_sessions", "Fermer les sessions d’un compte"),
    ("list_activities", "Lister les lignes du journal"),
    ("get_settings", "Lire tous les paramètres"),
    ("get_ministry_settings", "Lire les paramètres du ministère"),
    ("save_ministry_settings", "Remplacer les paramètres du ministère"),
    ("get_personnel_settings", "Lire les paramètres des dossiers"),
    ("save_personnel_settings", "Remplacer les paramètres des dossiers"),
    ("get_calendar_settings", "Lire la semaine de travail"),
    ("save_calendar_settings", "Remplacer la semaine de travail"),
    ("get_absence_settings", "Lire le décompte des absences"),
    ("save_absence_settings", "Remplacer le décompte des absences"),
    ("get_evaluation_settings", "Lire les paramètres des évaluations"),
    (
        "save_evaluation_settings",
        "Remplacer les paramètres des évaluations",
    ),
    ("get_retirement_settings", "Lire les âges de la retraite"),
    ("save_retirement_settings", "Remplacer les âges de la retraite"),
    ("get_payroll_settings", "Lire les paramètres de la paie"),
    ("save_payroll_settings", "Remplacer les paramètres de la paie"),
    ("get_security_settings", "Lire les paramètres de sécurité"),
    ("save_security_settings", "Remplacer les paramètres de sécurité"),
    ("get_charter_settings", "Lire la charte"),
    ("save_charter_settings", "Remplacer la charte"),
    ("get_maintenance_settings", "Lire les paramètres de maintenance"),
    (
        "save_maintenance_settings",
        "Remplacer les paramètres de maintenance",
    ),
    ("get_files_settings", "Lire les paramètres des fichiers"),
    ("save_files_settings", "Remplacer les paramètres des fichiers"),
    ("list_documents", "Lister les documents"),
    ("deposit_document", "Déposer un document"),
    ("get_document", "Lire un document"),
    ("correct_document", "Corriger un document"),
    ("remove_document", "Supprimer un document"),
    ("list_document_versions", "Lister les versions d’un document"),
    ("replace_document", "Déposer une nouvelle version"),
    ("validate_document", "Valider un document"),
    ("reject_document", "Rejeter un document"),
    ("read_document", "Télécharger le contenu d’un document"),
    ("list_files", "Lister les fichiers"),
    ("hand_in_file", "Déposer un fichier"),
    ("get_file", "Lire un fichier"),
    ("remove_file", "Supprimer un fichier"),
    ("read_file_again", "Relancer la lecture d’un fichier"),
    ("archive_file", "Archiver un fichier"),
    ("read_file", "Télécharger le contenu d’un fichier"),
    ("list_file_faults", "Lister les erreurs d’un fichier"),
    ("get_agent_photo", "Lire la photo d’un agent"),
    ("set_agent_photo", "Remplacer la photo d’un agent"),
    ("remove_agent_photo", "Retirer la photo d’un agent"),
    ("get_own_photo", "Lire sa photo"),
    ("set_own_photo", "Remplacer sa photo"),
    ("remove_own_photo", "Retirer sa photo"),
    ("get_user_photo", "Lire la photo d’un compte"),
    ("remove_user_photo", "Retirer la photo d’un compte"),
    ("list_holidays", "Lister les jours fériés"),
    ("add_holiday", "Ajouter un jour férié"),
    ("get_holiday", "Lire un jour férié"),
    ("replace_holiday", "Modifier ou déplacer un jour férié"),
    ("remove_holiday", "Supprimer un jour férié"),
    ("health", "Demander l’état du service"),
];

/// What an error status means.
#[must_use]
pub(crate) fn status_meaning(status: &str) -> &'static str {
    match status {
        "400" => "La requête est illisible : JSON mal formé, caractères non acceptés.",
        "401" => "Personne n’est connecté.",
        "403" => {
            "Le compte n’a pas ce droit, ou doit d’abord changer son mot de passe ou accepter la charte."
        }
        "404" => "Cet élément n’existe pas, ou le compte n’a pas à savoir qu’il existe.",
        "405" => "L’adresse existe, pas pour cette méthode ; l’en-tête Allow dit lesquelles.",
        "408" => "Le corps n’est pas arrivé à temps.",
        "409" => "Une valeur unique est déjà prise, ou l’état de l’élément ne le permet pas.",
        "412" => "Quelqu’un d’autre a modifié l’élément depuis sa lecture.",
        "413" => "Le corps est trop volumineux.",
        "415" => "Le corps n’est pas du type attendu.",
        "416" => "L’intervalle demandé est en dehors du fichier.",
        "422" => "Des valeurs ne sont pas acceptées ; errors les nomme une par une.",
        "429" => "Trop de requêtes ; l’en-tête Retry-After dit combien de secondes attendre.",
        "503" => {
            "Un service nécessaire ne répond pas, ou le site est en lecture seule ; l’en-tête Retry-After dit combien \
             de secondes attendre."
        }
        "507" => "Il n’y a plus de place pour le fichier.",
        _ => "La demande n’a pas pu être satisfaite.",
    }
}
