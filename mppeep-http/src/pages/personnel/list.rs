//! The list of agents.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::photo::PhotoOwner;
use mppeep_core::ports::personnel::PersonnelSort;
use mppeep_core::services::personnel::ListPersonnel;
use mppeep_core::services::personnel_view::PersonnelView;

use super::columns::{Cell, Column};
use super::filters::{Allowed, ListParams, ListRequest, SIZES};
use crate::app::AppState;
use crate::catalogue;
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::photo;
use crate::pages::ui::{Chips, Choice, EmptyState, Field, Pager, SortHead, initials};
use crate::pages::visit::{Visit, cookie, show};
use crate::problem::Problem;

const PATH: &str = "/personnel";
pub(super) const COLUMNS_COOKIE: &str = "mppeep_columns";

struct Row {
    name: String,
    initials: String,
    photo: Option<String>,
    job_title: String,
    url: String,
    edit_url: Option<String>,
    account_url: Option<String>,
    archived: bool,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "personnel/list.html")]
struct ListTemplate {
    frame: Frame,
    search: String,
    units: Vec<Field>,
    more: Vec<Field>,
    more_open: bool,
    hidden: Vec<(String, String)>,
    chips: Chips,
    total: String,
    summary: String,
    heads: Vec<SortHead>,
    rows: Vec<Row>,
    columns: Vec<(&'static str, String, bool)>,
    column_filters: Vec<(String, String)>,
    pager: Pager,
    empty: Option<EmptyState>,
    create_url: Option<String>,
    import_url: Option<String>,
    exports: Vec<(&'static str, String)>,
    path: String,
}

/// What the reader may see and filter by. Who reads only his own file gets no columns and filters that would show
/// that file alone.
pub(crate) fn allowed(visit: &Visit) -> Allowed {
    let others = |resource| {
        let scope = visit.actor.scope(resource, Action::Read);
        scope.everything || !scope.departments.is_empty()
    };
    Allowed {
        career: others(Resource::Career),
        private: visit.may_all(Resource::Private, Action::Read),
        absences: others(Resource::Absence),
        evaluations: others(Resource::Evaluation),
        accounts: visit.may_all(Resource::User, Action::Read),
    }
}

/// Shows the list.
pub(super) async fn list(
    visit: Visit,
    State(state): State<AppState>,
    headers: HeaderMap,
    QueryParams(params): QueryParams<ListParams>,
) -> Result<Response, Problem> {
    let allowed = allowed(&visit);
    let units = state.services.organisation.names().await?;
    let asked = params.understand(visit.today, &units, allowed);
    if params.columns_set.is_some() {
        return Ok(remember_columns(&visit, &params, &asked));
    }
    let page = state
        .services
        .personnel
        .list(
            &visit.actor,
            ListPersonnel {
                filter: asked.filter.clone(),
                sort: asked.sort,
                descending: asked.descending,
                page: asked.page(),
            },
        )
        .await?;
    let columns = Column::chosen(cookie(&headers, COLUMNS_COOKIE), allowed);
    let shown = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
    let photos = photos(&visit, &page.rows).await;
    let rows: Vec<Row> = page
        .rows
        .iter()
        .map(|agent| row(&visit, agent, &columns, &photos))
        .collect();
    let path = visit.url(PATH);
    let whole = asked.whole_query();
    let next = page.next.as_ref().map(|cursor| {
        whole
            .clone()
            .and("cursor", cursor.encode())
            .and("start", asked.start.saturating_add(shown).to_string())
            .url(&path)
    });
    let noun = |count| catalogue::plural(count, "agent", "agents");
    let template = ListTemplate {
        frame: visit
            .frame("Personnel")
            .under("Accueil", "/accueil")
            .here("Personnel")
            .note(params.note.as_deref()),
        search: params.q.clone().unwrap_or_default(),
        units: unit_fields(&params, &units),
        more: more_fields(&params, allowed),
        more_open: has_more(&asked),
        hidden: hidden(&asked),
        chips: asked.chips(&units, &path),
        total: noun(page.total),
        summary: format!("{} dans la liste", noun(page.total)),
        heads: heads(&visit, &asked, &columns, &path),
        pager: pager(&asked, shown, page.total, next, &path),
        empty: rows.is_empty().then(|| empty(&visit, &asked)),
        columns: Column::ALL
            .into_iter()
            .filter(|column| column.allowed(allowed))
            .map(|column| {
                (
                    column.code(),
                    column.heading(visit.today),
                    columns.contains(&column),
                )
            })
            .collect(),
        column_filters: whole.pairs().to_vec(),
        create_url: visit
            .may_all(Resource::Career, Action::Write)
            .then(|| visit.url("/personnel/nouveau")),
        import_url: visit
            .may(Resource::Import, Action::Write)
            .then(|| visit.url("/personnel/importer")),
        exports: if visit.may_all(Resource::Directory, Action::Export) {
            let export = visit.url("/personnel/export");
            let seen = |format| whole.set("format", format).url(&export);
            let full = |format| whole.set("format", format).and("all_fields", "1").url(&export);
            vec![
                ("Colonnes affichées, XLSX", seen("xlsx")),
                ("Colonnes affichées, CSV", seen("csv")),
                ("Toutes les données, XLSX", full("xlsx")),
                ("Toutes les données, CSV", full("csv")),
            ]
        } else {
            Vec::new()
        },
        rows,
        path,
    };
    show(&template)
}

/// Keeps the chosen columns in a cookie, and goes back to the list.
fn remember_columns(visit: &Visit, params: &ListParams, asked: &ListRequest) -> Response {
    let chosen: Vec<&str> = Column::ALL
        .into_iter()
        .map(Column::code)
        .filter(|code| params.cols.iter().any(|chosen| chosen == code))
        .collect();
    let mut response = visit.go(&asked.whole_query().url(PATH)).into_response();
    let text = format!(
        "{COLUMNS_COOKIE}={}; Path={}; Max-Age=31536000; HttpOnly; SameSite=Lax",
        chosen.join("."),
        visit.urls().cookie_path(),
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// When the photographs of these agents were taken over. The list is shown without them rather than not at all.
async fn photos(visit: &Visit, agents: &[PersonnelView]) -> HashMap<PersonnelId, Timestamp> {
    let ids: Vec<PersonnelId> = agents.iter().map(PersonnelView::id).collect();
    let photos = &visit.state.services.photos;
    let found = photos.of_agents(&visit.actor, &ids).await.unwrap_or_default();
    found
        .into_iter()
        .filter_map(|photo| match photo.owner {
            PhotoOwner::Personnel(id) => Some((id, photo.updated_at)),
            PhotoOwner::User(_) => None,
        })
        .collect()
}

fn row(
    visit: &Visit,
    agent: &PersonnelView,
    columns: &[Column],
    photos: &HashMap<PersonnelId, Timestamp>,
) -> Row {
    let url = visit.url(&format!("/personnel/{}", agent.id()));
    let text = |field| agent.get(field).unwrap_or_default();
    Row {
        name: agent.full_name(),
        initials: initials(
            &text(PersonnelField::GivenNames),
            &text(PersonnelField::FamilyName),
        ),
        photo: photos
            .get(&agent.id())
            .map(|since| photo::small_url(visit, agent.id(), *since)),
        job_title: text(PersonnelField::JobTitle),
        edit_url: (agent.may_write() && !agent.is_archived()).then(|| format!("{url}/modifier")),
        account_url: visit
            .may_all(Resource::User, Action::Write)
            .then(|| visit.url(&format!("/admin/utilisateurs/nouveau?personnel={}", agent.id()))),
        archived: agent.is_archived(),
        cells: columns
            .iter()
            .map(|column| column.cell(agent, visit.today))
            .collect(),
        url,
    }
}

fn heads(visit: &Visit, asked: &ListRequest, columns: &[Column], path: &str) -> Vec<SortHead> {
    let head = |label: String, sort: Option<PersonnelSort>, numeric| SortHead {
        label,
        url: sort
            .map(|sort| asked.sorted_by(sort).url(path))
            .unwrap_or_default(),
        sorted: sort.map(|sort| asked.order_of(sort)).unwrap_or_default(),
        numeric,
    };
    std::iter::once(head(
        "Nom et prénoms".to_owned(),
        Some(PersonnelSort::Name),
        false,
    ))
    .chain(
        columns
            .iter()
            .map(|column| head(column.heading(visit.today), column.sort(), column.numeric())),
    )
    .collect()
}

fn pager(asked: &ListRequest, shown: u32, total: u64, next: Option<String>, path: &str) -> Pager {
    let whole = asked.whole_query();
    let first = asked.start.saturating_add(1);
    let last = asked.start.saturating_add(shown);
    let back = asked.start.saturating_sub(asked.size);
    let summary = if shown == 0 {
        String::new()
    } else {
        format!(
            "{}–{} sur {}",
            catalogue::number(u64::from(first)),
            catalogue::number(u64::from(last)),
            catalogue::plural(total, "agent", "agents"),
        )
    };
    Pager {
        summary,
        first: (asked.start > asked.size).then(|| whole.url(path)),
        previous: (asked.start > 0).then(|| match back {
            0 => whole.url(path),
            back => whole.clone().and("start", back.to_string()).url(path),
        }),
        next,
        sizes: SIZES
            .into_iter()
            .map(|size| {
                (
                    size,
                    whole.set("size", size.to_string()).url(path),
                    size == asked.size,
                )
            })
            .collect(),
    }
}

fn empty(visit: &Visit, asked: &ListRequest) -> EmptyState {
    let filtered = !asked.query.pairs().is_empty();
    let mut actions = Vec::new();
    if filtered {
        actions.push(("Effacer la recherche et les filtres".to_owned(), visit.url(PATH)));
    }
    if visit.may_all(Resource::Career, Action::Write) {
        actions.push(("Nouvel agent".to_owned(), visit.url("/personnel/nouveau")));
        if !filtered {
            actions.push(("Importer un fichier".to_owned(), visit.url("/personnel/importer")));
        }
    }
    if filtered {
        EmptyState {
            icon: "search",
            title: "Aucun agent ne correspond".to_owned(),
            text: "Retirez un filtre ou cherchez autrement : un matricule ou une partie du nom, même sans accents, \
                   suffit."
                .to_owned(),
            actions,
        }
    } else {
        EmptyState {
            icon: "people",
            title: "Aucun agent pour le moment".to_owned(),
            text: "Les agents que votre compte peut voir apparaîtront ici.".to_owned(),
            actions,
        }
    }
}

/// Filters that the form has no field for, which it must carry along.
fn hidden(asked: &ListRequest) -> Vec<(String, String)> {
    let kept = [
        "born_from",
        "born_to",
        "since_from",
        "since_to",
        "absent_on",
        "sort",
        "size",
    ];
    asked
        .whole_query()
        .pairs()
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .cloned()
        .collect()
}

fn has_more(asked: &ListRequest) -> bool {
    let elsewhere = ["q", "programme", "directorate", "department"];
    asked
        .query
        .pairs()
        .iter()
        .any(|(name, _)| !elsewhere.contains(&name.as_str()))
}

/// The three lists of units, each narrowed by the one above it.
pub(crate) fn unit_fields(params: &ListParams, units: &Organisation) -> Vec<Field> {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let programmes = units
        .programmes
        .iter()
        .map(|unit| Choice::new(unit.id.to_string(), unit.fields.name.clone()))
        .collect();
    let directorates = units
        .directorates
        .iter()
        .map(|unit| {
            Choice::new(unit.id.to_string(), unit.fields.name.clone()).under(unit.programme.to_string())
        })
        .collect();
    let mut departments = vec![Choice::new("none", "Sans affectation")];
    departments.extend(units.departments.iter().map(|unit| {
        Choice::new(unit.id.to_string(), unit.fields.name.clone()).under(unit.directorate.to_string())
    }));
    vec![
        Field::select("programme", "Programme", Some("Tous"), programmes).value(value(&params.programme)),
        Field::select("directorate", "Direction", Some("Toutes"), directorates)
            .value(value(&params.directorate))
            .attribute("data-cascade", "f-programme"),
        Field::select("department", "Service", Some("Tous"), departments)
            .value(value(&params.department))
            .attribute("data-cascade", "f-directorate"),
    ]
}

fn more_fields(params: &ListParams, allowed: Allowed) -> Vec<Field> {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let years = |name, label, text: &Option<String>| {
        Field::number(name, label)
            .value(value(text))
            .suffix("ans")
            .attribute("min", "0")
            .attribute("max", "120")
    };
    if !allowed.career {
        return Vec::new();
    }
    let categories = GradeCategory::ALL
        .into_iter()
        .map(|category| Choice::new(category.code(), catalogue::category(category)))
        .collect();
    let mut grades: Vec<Choice> = Grade::all()
        .into_iter()
        .map(|grade| Choice::new(grade.to_string(), grade.to_string()))
        .collect();
    grades.push(Choice::new("none", "Sans grade"));
    let mut fields = vec![
        Field::select("category", "Catégorie", Some("Toutes"), categories).value(value(&params.category)),
        Field::select("grade", "Grade", Some("Tous"), grades).value(value(&params.grade)),
        Field::select(
            "position",
            "Position",
            Some("Toutes"),
            catalogue::choices(AdministrativePosition::ALL, AdministrativePosition::code),
        )
        .value(value(&params.position)),
        Field::select(
            "status",
            "Statut",
            Some("Tous"),
            catalogue::choices(AgentStatus::ALL, AgentStatus::code),
        )
        .value(value(&params.status)),
        Field::select(
            "sex",
            "Sexe",
            Some("Tous"),
            catalogue::choices(Sex::ALL, Sex::code),
        )
        .value(value(&params.sex)),
        Field::select(
            "archive",
            "Fiches",
            None,
            vec![
                Choice::new("", "Actives"),
                Choice::new("archived", "Archivées"),
                Choice::new("both", "Actives et archivées"),
            ],
        )
        .value(value(&params.archive)),
        years("age_from", "Âge à partir de", &params.age_from),
        years("age_to", "Âge jusqu’à", &params.age_to),
        years("seniority_from", "Ancienneté à partir de", &params.seniority_from),
        years("seniority_to", "Ancienneté jusqu’à", &params.seniority_to),
        Field::date("retires_from", "Retraite à partir du").value(value(&params.retires_from)),
        Field::date("retires_to", "Retraite jusqu’au").value(value(&params.retires_to)),
        Field::checkbox("incomplete", "Dossier incomplet", params.incomplete.is_some()),
    ];
    if allowed.accounts {
        fields.push(Field::checkbox(
            "without_account",
            "Sans compte",
            params.without_account.is_some(),
        ));
    }
    fields
}
