//! Fields that remember a wrong type instead of refusing the document: one odd value must not hide all the others.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value of a JSON object: as expected, not there, or of another type.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    /// Not there, or null.
    #[default]
    Absent,
    /// As expected.
    Is(T),
    /// Of another type, named for people: `a string`.
    Other(&'static str),
}

/// The types that a field can be expected to have. Each takes one kind of JSON value and refuses the others.
pub(super) trait Shape: Sized {
    /// The type, for people: `a list`.
    const NAME: &'static str;

    /// From a JSON string.
    fn text(_: &str) -> Option<Self> {
        None
    }

    /// From a JSON number that is whole.
    fn number(_: i64) -> Option<Self> {
        None
    }

    /// From true or false.
    fn boolean(_: bool) -> Option<Self> {
        None
    }

    /// From a JSON list, which is read to its end in any case.
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// From a JSON object, which is read to its end in any case.
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl Shape for String {
    const NAME: &'static str = "a string";

    fn text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Shape for i64 {
    const NAME: &'static str = "a whole number";

    fn number(number: i64) -> Option<Self> {
        Some(number)
    }
}

impl Shape for bool {
    const NAME: &'static str = "true or false";

    fn boolean(boolean: bool) -> Option<Self> {
        Some(boolean)
    }
}

impl<T: Shape> Shape for Vec<Field<T>> {
    const NAME: &'static str = "a list";

    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

/// Reads a struct of fields; its derived `Deserialize` ignores keys it does not know.
pub(super) fn read_object<'de, T: Deserialize<'de>, A: MapAccess<'de>>(object: A) -> Result<Option<T>, A::Error> {
    T::deserialize(MapAccessDeserializer::new(object)).map(Some)
}

impl<'de, T: Shape> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T> FieldVisitor<T> {
    fn or_other(found: Option<T>, other: &'static str) -> Field<T> {
        found.map_or(Field::Other(other), Field::Is)
    }
}

impl<'de, T: Shape> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Self::or_other(T::text(text), "a string"))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Self::or_other(T::number(number), "a number"))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        let whole = i64::try_from(number).ok().and_then(T::number);
        Ok(Self::or_other(whole, "a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Self::or_other(None, "a number that is not whole"))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Self::or_other(T::boolean(boolean), "true or false"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Ok(Self::or_other(T::list(list)?, "a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Ok(Self::or_other(T::object(object)?, "an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Shape + fmt::Debug>(json: &str) -> String {
        format!("{:?}", serde_json::from_str::<Field<T>>(json).unwrap())
    }

    #[test]
    fn a_field_is_read_or_says_what_it_is_instead() {
        assert_eq!(read::<String>(r#""\u00e9""#), r#"Is("é")"#);
        assert_eq!(read::<String>("null"), "Absent");
        assert_eq!(read::<String>("7"), r#"Other("a number")"#);
        assert_eq!(read::<i64>("-1"), "Is(-1)");
        assert_eq!(read::<i64>("1.5"), r#"Other("a number that is not whole")"#);
        assert_eq!(read::<i64>("18446744073709551615"), r#"Other("a number")"#);
        assert_eq!(read::<i64>("\"22\""), r#"Other("a string")"#);
        assert_eq!(read::<bool>("[true]"), r#"Other("a list")"#);
        assert_eq!(read::<Vec<Field<i64>>>("[1, {\"a\": []}]"), r#"Is([Is(1), Other("an object")])"#);
        assert_eq!(read::<Vec<Field<i64>>>("{\"a\": [1, {}]}"), r#"Other("an object")"#);
    }
}
