//! Reading an event: an object whose first field is the kind's name.

use super::kind::{EventKind, Named};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, VariantAccess, Visitor, value::StrDeserializer},
};
use smol_str::SmolStr;
use std::fmt;

/// The field with the name.
const TAG: &str = "event";

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Tagged)
    }
}

struct Tagged;

impl<'de> Visitor<'de> for Tagged {
    type Value = EventKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object that begins with `{TAG}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<EventKind, A::Error> {
        match fields.next_key::<SmolStr>()? {
            Some(key) if key == TAG => Named::deserialize(Outside { name: fields.next_value()?, fields }),
            _ => Err(Error::missing_field(TAG)),
        }
    }
}

/// An object's name and its other fields, as an enum whose name lies outside.
struct Outside<A> {
    name: SmolStr,
    fields: A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Outside<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Outside<A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), A::Error> {
        Ok((seed.deserialize(StrDeserializer::new(&self.name))?, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Outside<A> {
    type Error = A::Error;

    /// What a later lifeboat says beside the name is not asked for, as in the kinds with fields.
    fn unit_variant(mut self) -> Result<(), A::Error> {
        while self.fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, A::Error> {
        Err(Error::custom("fields have names"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, A::Error> {
        Err(Error::custom("fields have names"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StepId;

    fn read(text: &str) -> Result<EventKind, String> {
        serde_json::from_str(text).map_err(|why| why.to_string())
    }

    #[test]
    fn an_event_is_read_by_its_name_whatever_a_later_lifeboat_adds_to_it() {
        let ready = Ok(EventKind::StepReady { step: StepId::from("promote") });
        assert_eq!(read(r#"{"event":"step_ready","step":"promote"}"#), ready);
        assert_eq!(read(r#"{"event":"step_ready","why":["new"],"step":"promote"}"#), ready);
        assert_eq!(read(r#"{"event":"closing_begun","more":{"a":1}}"#), Ok(EventKind::ClosingBegun));
    }

    #[test]
    fn what_is_no_event_is_told_in_words() {
        let said = |text| read(text).unwrap_err();
        for (text, why) in [
            (r#"{"step":"promote","event":"step_ready"}"#, "missing field `event`"),
            ("{}", "missing field `event`"),
            ("7", "expected an object that begins with `event`"),
            (r#"{"event":"step_ready"}"#, "missing field `step`"),
            (r#"{"event":"run_dreamt"}"#, "unknown variant `run_dreamt`"),
        ] {
            assert!(said(text).contains(why), "{text}: {}", said(text));
        }
    }
}
