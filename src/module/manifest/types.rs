//! The type of a parameter, as the manifest writes it.

use std::fmt;

use arrow::datatypes::DataType;
use serde::{Serialize, Serializer};

use crate::columns::{ColumnError, parse_type};
use crate::module::text;

/// The type of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParamType {
    /// This type.
    Exact(DataType),
    /// Whatever `wasmfusion_bind` accepts.
    Any,
}

impl ParamType {
    /// Reads a type: `any`, or as arrow-rs writes it.
    pub(super) fn parse(text: &str, depth_max: usize) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        parse_type(text, depth_max).map(Self::Exact).map_err(|error| match error {
            // What arrow says about text that it cannot read is longer than helpful: it repeats the text.
            ColumnError::Type { problem, .. } => format!(
                "`{}` is not a type that can cross: {}; write it as arrow-rs does, for instance `Int64`, `Timestamp(µs, \"UTC\")` or \
                 `List(Utf8)`, nested at most `type_depth_max` ({depth_max}) deep",
                text::name(text),
                text::escape_cut(&problem, 200)
            ),
            other => text::escape_cut(&other.to_string(), 500),
        })
    }
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(ty) => ty.fmt(f),
            Self::Any => f.write_str("any"),
        }
    }
}

impl Serialize for ParamType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_type_causes_a_panic(ty in r#"((List|Struct|Map|Union|Dictionary|Int32|FixedSizeList|FixedSizeBinary|Decimal128|Timestamp|RunEndEncoded|"a"|Sparse|sorted|x|ns|[-0-9]{1,4}|[(),: '"]){1,2}){0,12}"#) {
            if let Ok(ParamType::Exact(parsed)) = ParamType::parse(&ty, 16) {
                // What is shown by `inspect` can be read again.
                let shown = ParamType::Exact(parsed.clone()).to_string();
                proptest::prop_assert_eq!(ParamType::parse(&shown, 16).unwrap(), ParamType::Exact(parsed));
            }
        }
    }
}
