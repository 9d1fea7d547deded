//! JSON fields that record a wrong type instead of failing, so that one wrong value does not hide
//! the rest of the document.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value of a JSON object: of the expected type, absent, or of another type.
#[derive(Debug, Default)]
pub(super) enum JsonField<T> {
    /// Absent or null.
    #[default]
    Absent,
    /// Of the expected type.
    Present(T),
    /// Of another type, with its name for messages: `a string`.
    WrongType(&'static str),
}

/// A type that a field can have. Each accepts one kind of JSON value.
pub(super) trait JsonType: Sized {
    /// The name of the type in messages: `a list`.
    const NAME: &'static str;

    /// Converts a JSON string.
    fn from_string(_: &str) -> Option<Self> {
        None
    }

    /// Converts an integer.
    fn from_integer(_: i64) -> Option<Self> {
        None
    }

    /// Converts a boolean.
    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    /// Converts a JSON list. The list is consumed in any case.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Converts a JSON object. The object is consumed in any case.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl JsonType for String {
    const NAME: &'static str = "a string";

    fn from_string(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl JsonType for i64 {
    const NAME: &'static str = "an integer";

    fn from_integer(number: i64) -> Option<Self> {
        Some(number)
    }
}

impl JsonType for bool {
    const NAME: &'static str = "true or false";

    fn from_bool(boolean: bool) -> Option<Self> {
        Some(boolean)
    }
}

impl<T: JsonType> JsonType for Vec<JsonField<T>> {
    const NAME: &'static str = "a list";

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

/// Reads a struct of fields. Its derived `Deserialize` ignores unknown keys.
pub(super) fn read_object<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    object: A,
) -> Result<Option<T>, A::Error> {
    T::deserialize(MapAccessDeserializer::new(object)).map(Some)
}

impl<'de, T: JsonType> Deserialize<'de> for JsonField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonFieldVisitor(PhantomData))
    }
}

struct JsonFieldVisitor<T>(PhantomData<T>);

impl<T> JsonFieldVisitor<T> {
    fn present_or_wrong_type(found: Option<T>, other: &'static str) -> JsonField<T> {
        found.map_or(JsonField::WrongType(other), JsonField::Present)
    }
}

impl<'de, T: JsonType> Visitor<'de> for JsonFieldVisitor<T> {
    type Value = JsonField<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(JsonField::Absent)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Self::present_or_wrong_type(
            T::from_string(text),
            "a string",
        ))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Self::present_or_wrong_type(
            T::from_integer(number),
            "a number",
        ))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        let whole = i64::try_from(number).ok().and_then(T::from_integer);
        Ok(Self::present_or_wrong_type(whole, "a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Self::present_or_wrong_type(
            None,
            "a number that is not an integer",
        ))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Self::present_or_wrong_type(
            T::from_bool(boolean),
            "true or false",
        ))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Ok(Self::present_or_wrong_type(T::from_list(list)?, "a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Ok(Self::present_or_wrong_type(
            T::from_object(object)?,
            "an object",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: JsonType + fmt::Debug>(json: &str) -> String {
        format!("{:?}", serde_json::from_str::<JsonField<T>>(json).unwrap())
    }

    #[test]
    fn a_field_has_its_value_or_the_name_of_the_wrong_type() {
        assert_eq!(read::<String>(r#""\u00e9""#), r#"Present("é")"#);
        assert_eq!(read::<String>("null"), "Absent");
        assert_eq!(read::<String>("7"), r#"WrongType("a number")"#);
        assert_eq!(read::<i64>("-1"), "Present(-1)");
        assert_eq!(
            read::<i64>("1.5"),
            r#"WrongType("a number that is not an integer")"#
        );
        assert_eq!(
            read::<i64>("18446744073709551615"),
            r#"WrongType("a number")"#
        );
        assert_eq!(read::<i64>("\"22\""), r#"WrongType("a string")"#);
        assert_eq!(read::<bool>("[true]"), r#"WrongType("a list")"#);
        assert_eq!(
            read::<Vec<JsonField<i64>>>("[1, {\"a\": []}]"),
            r#"Present([Present(1), WrongType("an object")])"#
        );
        assert_eq!(
            read::<Vec<JsonField<i64>>>("{\"a\": [1, {}]}"),
            r#"WrongType("an object")"#
        );
    }
}
