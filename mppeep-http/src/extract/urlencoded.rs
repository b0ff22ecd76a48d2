//! `application/x-www-form-urlencoded`, read strictly: valid UTF-8, no NUL, a bounded number of fields, and no field
//! twice where one value is meant.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use crate::problem::Problem;

/// Far above what any form of ours sends.
const MAX_FIELDS: usize = 1000;

/// Fields with their values, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for part in bytes.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_FIELDS {
                return Err(Problem::unreadable("Trop de champs."));
            }
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default());
            let value = decode(halves.next().unwrap_or_default());
            match (name, value) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    return Err(Problem::unreadable(
                        "Un champ contient des caractères illisibles.",
                    ));
                }
            }
        }
        Ok(Self(pairs))
    }

    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in self.0 {
            match groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => groups.push((name, vec![value])),
            }
        }
        T::deserialize(Fields {
            groups: groups.into_iter(),
            current: None,
        })
        .map_err(Wrong::into_problem)
    }
}

/// Percent-decodes strictly; `None` for bad escapes, bytes that are not UTF-8, and NUL.
fn decode(bytes: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                decoded.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => decoded.push(*byte),
        }
    }
    String::from_utf8(decoded)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// What is wrong, and with which field.
#[derive(Debug)]
struct Wrong {
    field: Option<String>,
    code: &'static str,
    message: Cow<'static, str>,
}

impl Wrong {
    fn into_problem(self) -> Problem {
        match self.field {
            Some(field) => Problem::invalid().field(field, self.code, self.message),
            None => Problem::invalid(),
        }
    }

    fn in_field(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| field.to_owned());
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self {
            field: None,
            code: "value",
            message: Cow::Borrowed("Cette valeur n’est pas acceptée."),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            field: Some(field.to_owned()),
            code: "required",
            message: Cow::Borrowed("Ce champ est obligatoire."),
        }
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self {
            field: Some(field.to_owned()),
            code: "unknown-field",
            message: Cow::Borrowed("Ce champ est inconnu."),
        }
    }
}

fn repeated() -> Wrong {
    Wrong {
        field: None,
        code: "repeated",
        message: Cow::Borrowed("Ce champ est présent plusieurs fois."),
    }
}

struct Fields {
    groups: std::vec::IntoIter<(String, Vec<String>)>,
    current: Option<(String, Vec<String>)>,
}

impl<'de> Deserializer<'de> for Fields {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.current = self.groups.next();
        match &self.current {
            None => Ok(None),
            Some((name, _)) => {
                let name: StrDeserializer<'_, Wrong> = name.as_str().into_deserializer();
                seed.deserialize(name).map(Some)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, values) = self.current.take().unwrap_or_default();
        seed.deserialize(Values(values))
            .map_err(|wrong| wrong.in_field(&name))
    }
}

/// The values of one field.
struct Values(Vec<String>);

impl Values {
    fn one(self) -> Result<String, Wrong> {
        let mut values = self.0.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Ok(String::new()),
            _ => Err(repeated()),
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            let number = self.one()?.trim().parse().map_err(|_| Wrong {
                field: None,
                code: "format",
                message: Cow::Borrowed("Un nombre est attendu."),
            })?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Values {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_string(self.one()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.one()?.as_str() {
            "on" | "true" | "1" => visitor.visit_bool(true),
            "" | "off" | "false" | "0" => visitor.visit_bool(false),
            _ => Err(de::Error::custom("no boolean")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.0.iter().all(String::is_empty) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Sequence(self.0.into_iter()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_enum(Variant(self.one()?))
    }

    numbers! {
        deserialize_i8 visit_i8;
        deserialize_i16 visit_i16;
        deserialize_i32 visit_i32;
        deserialize_i64 visit_i64;
        deserialize_u8 visit_u8;
        deserialize_u16 visit_u16;
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct Sequence(std::vec::IntoIter<String>);

impl<'de> SeqAccess<'de> for Sequence {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.0
            .next()
            .map(|value| seed.deserialize(Values(vec![value])))
            .transpose()
    }
}

struct Variant(String);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Wrong;
    type Variant = UnitVariant;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, UnitVariant), Wrong> {
        let name: de::value::StringDeserializer<Wrong> = self.0.into_deserializer();
        seed.deserialize(name).map(|value| (value, UnitVariant))
    }
}

struct UnitVariant;

impl<'de> VariantAccess<'de> for UnitVariant {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Wrong> {
        Err(de::Error::custom("a form holds plain values"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("a form holds plain values"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("a form holds plain values"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Name,
        Date,
    }

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    struct Search {
        #[serde(default)]
        q: String,
        limit: Option<u32>,
        #[serde(default)]
        grade: Vec<String>,
        #[serde(default)]
        archived: bool,
        order: Option<Order>,
    }

    fn read(text: &str) -> Result<Search, (u16, Option<String>)> {
        Pairs::parse(text.as_bytes())
            .and_then(Pairs::read)
            .map_err(|problem| {
                (
                    problem.status().as_u16(),
                    problem.errors().first().map(|error| error.field.clone()),
                )
            })
    }

    #[test]
    fn values_take_the_shape_of_their_fields() {
        let found = read("q=kon%C3%A9&limit=25&grade=A4&grade=B3&archived=on&order=date").unwrap();
        assert_eq!(
            found,
            Search {
                q: "koné".into(),
                limit: Some(25),
                grade: vec!["A4".into(), "B3".into()],
                archived: true,
                order: Some(Order::Date),
            }
        );
        let blank = read("q=&limit=&order=&&").unwrap();
        assert_eq!((blank.limit, blank.order), (None, None));
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        for (text, status, field) in [
            ("limit=x", 422, Some("limit")),
            ("limit=-1", 422, Some("limit")),
            ("limit=99999999999", 422, Some("limit")),
            ("limit=1&limit=2", 422, Some("limit")),
            ("q=a&q=b", 422, Some("q")),
            ("archived=maybe", 422, Some("archived")),
            ("order=size", 422, Some("order")),
            ("nothing=1", 422, Some("nothing")),
            ("q=%00", 400, None),
            ("q=%", 400, None),
        ] {
            assert_eq!(read(text), Err((status, field.map(str::to_owned))), "{text}");
        }
    }
}
