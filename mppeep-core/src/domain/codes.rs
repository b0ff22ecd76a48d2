//! Closed lists of codes, stored and exchanged as English words; catalogues hold their labels.

/// Declares an enumeration with its codes, which is also how it is serialized.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in its natural order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The value of that code.
            pub fn by_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::by_code(&code).ok_or_else(|| serde::de::Error::custom("unknown code"))
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// The legal ground on which an agent serves.
    AgentStatus {
        /// « Fonctionnaire ».
        CivilServant = "civil_servant",
        /// « Agent contractuel ».
        Contractual = "contractual",
        /// « Stagiaire ».
        Trainee = "trainee",
        /// « Mis à disposition ».
        Assigned = "assigned",
    }
}

codes! {
    /// The administrative position.
    AdministrativePosition {
        /// « En activité ».
        Active = "active",
        /// « Détachement ».
        Secondment = "secondment",
        /// « Disponibilité ».
        UnpaidLeaveOfAbsence = "unpaid_leave_of_absence",
        /// « Congé de longue durée ».
        LongTermLeave = "long_term_leave",
        /// « Sous les drapeaux ».
        MilitaryService = "military_service",
        /// « Hors cadre ».
        OutOfCadre = "out_of_cadre",
        /// « Suspension ».
        Suspension = "suspension",
        /// « Retraite ».
        Retired = "retired",
    }
}

codes! {
    /// Family situation.
    MaritalStatus {
        /// « Célibataire ».
        Single = "single",
        /// « Marié(e) ».
        Married = "married",
        /// « Divorcé(e) ».
        Divorced = "divorced",
        /// « Veuf(ve) ».
        Widowed = "widowed",
        /// « Union libre ».
        CommonLaw = "common_law",
    }
}

codes! {
    /// Sex, as the civil status has it.
    Sex {
        /// « Féminin ».
        Female = "female",
        /// « Masculin ».
        Male = "male",
    }
}

codes! {
    /// How much of the birth date is known.
    BirthPrecision {
        /// The whole date.
        Day = "day",
        /// The year only (« né vers 1966 »); the date is then its 31 December.
        Year = "year",
    }
}

codes! {
    /// Why an agent left.
    DepartureReason {
        /// « Retraite ».
        Retirement = "retirement",
        /// « Démission ».
        Resignation = "resignation",
        /// « Mutation hors du ministère ».
        TransferOut = "transfer_out",
        /// « Fin de contrat ».
        EndOfContract = "end_of_contract",
        /// « Révocation ou licenciement ».
        Dismissal = "dismissal",
        /// « Décès ».
        Death = "death",
        /// « Autre motif ».
        Other = "other",
    }
}
