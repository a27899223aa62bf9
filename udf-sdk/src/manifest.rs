//! The manifest: JSON that is written when the plugin is compiled, so that a plugin has no code for it.

use core::str;

use crate::data_type::DataType;
use crate::function::{Function, Kind, Schema};

/// A plugin, as `plugin!` describes it.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The capabilities that it asks for.
    pub capabilities: &'static [&'static str],
    /// JSON Schema of its configuration, or nothing.
    pub config_schema: &'static str,
}

impl Plugin {
    /// Whether the name is one that a host accepts.
    pub const fn name_is_valid(&self) -> bool {
        let name = self.name.as_bytes();
        if name.is_empty() || name.len() > 63 || !name[0].is_ascii_lowercase() {
            return false;
        }
        let mut place = 1;
        while place < name.len() {
            if !matches!(name[place], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
                return false;
            }
            place += 1;
        }
        true
    }
}

/// JSON that grows in a constant: the first time with `N` = 0, which counts the bytes, the second time for good.
#[derive(Debug)]
pub struct Json<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Json<N> {
    const EMPTY: Self = Json {
        bytes: [0; N],
        length: 0,
    };

    /// A manifest up to its first function.
    pub const fn head(plugin: &Plugin) -> Self {
        let mut json = Self::EMPTY;
        json.raw("{\"name\":");
        json.string(plugin.name);
        json.raw(",\"version\":");
        json.string(plugin.version);
        if !plugin.description.is_empty() {
            json.raw(",\"description\":");
            json.string(plugin.description);
        }
        json.raw(",\"functions\":[");
        json
    }

    /// A manifest from behind its last function.
    pub const fn tail(plugin: &Plugin) -> Self {
        let mut json = Self::EMPTY;
        json.raw("],\"capabilities\":[");
        let mut place = 0;
        while place < plugin.capabilities.len() {
            json.separate(place);
            json.string(plugin.capabilities[place]);
            place += 1;
        }
        json.raw("]");
        if !plugin.config_schema.is_empty() {
            json.raw(",\"config_schema\":");
            json.raw(plugin.config_schema);
        }
        json.raw("}");
        json
    }

    /// A function. What `json` holds, the keys that have nothing to do with types, comes first.
    pub const fn function(function: &Function) -> Self {
        let mut json = Self::EMPTY;
        json.raw("{");
        json.raw(function.json);
        if !function.description.is_empty() {
            json.raw(",\"description\":");
            json.string(function.description);
        }
        json.raw(",\"params\":[");
        let mut place = 0;
        while place < function.params.len() {
            let param = &function.params[place];
            json.separate(place);
            json.raw("{\"name\":");
            json.string(param.name);
            json.raw(",\"type\":\"");
            json.data_type(&param.data_type);
            json.raw(if param.nulls {
                "\",\"nulls\":\"pass\"}"
            } else {
                "\"}"
            });
            place += 1;
        }
        json.raw("]");
        if function.variadic {
            json.raw(",\"variadic\":true");
        }
        if function.bind.is_some() {
            json.raw(",\"bind\":true");
        } else if let Some((data_type, nullable)) = &function.returns {
            json.raw(",\"returns\":{\"type\":\"");
            json.data_type(data_type);
            json.raw(if *nullable {
                "\"}"
            } else {
                "\",\"nullable\":false}"
            });
        }
        match function.kind {
            Kind::Aggregate(_) => json.schema(true, &function.schema),
            Kind::Table(_) => json.schema(false, &function.schema),
            _ => {}
        }
        json.raw("}");
        json
    }

    /// The columns of a state or of a table.
    const fn schema(&mut self, is_state: bool, schema: &Schema) {
        self.raw(if is_state {
            ",\"state\":["
        } else {
            ",\"columns\":["
        });
        let mut place = 0;
        while place < schema.types.len() {
            self.separate(place);
            self.raw("{\"name\":");
            if place < schema.names.len() {
                self.string(schema.names[place]);
            } else {
                self.raw("\"column");
                self.number(place as i64 + 1);
                self.raw("\"");
            }
            self.raw(",\"type\":\"");
            let (data_type, nullable) = &schema.types[place];
            self.data_type(data_type);
            // Columns of a state may always be NULL, so there is no word for it.
            self.raw(if *nullable || is_state {
                "\"}"
            } else {
                "\",\"nullable\":false}"
            });
            place += 1;
        }
        self.raw("]");
    }

    /// Number of bytes.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The text.
    ///
    /// # Panics
    ///
    /// If the bytes were only counted.
    pub const fn text(&self) -> &str {
        assert!(N == self.length, "the JSON was only counted");
        match str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(_) => panic!("the JSON is not UTF-8"),
        }
    }

    const fn byte(&mut self, byte: u8) {
        if N > 0 {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
    }

    const fn raw(&mut self, json: &str) {
        let mut place = 0;
        while place < json.len() {
            self.byte(json.as_bytes()[place]);
            place += 1;
        }
    }

    const fn separate(&mut self, place: usize) {
        if place > 0 {
            self.byte(b',');
        }
    }

    const fn string(&mut self, text: &str) {
        self.byte(b'"');
        let mut place = 0;
        while place < text.len() {
            match text.as_bytes()[place] {
                byte @ (b'"' | b'\\') => {
                    self.byte(b'\\');
                    self.byte(byte);
                }
                byte @ 0..0x20 => {
                    self.raw("\\u00");
                    self.byte(b"0123456789abcdef"[(byte >> 4) as usize]);
                    self.byte(b"0123456789abcdef"[(byte & 15) as usize]);
                }
                byte => self.byte(byte),
            }
            place += 1;
        }
        self.byte(b'"');
    }

    const fn number(&mut self, number: i64) {
        if number < 0 {
            self.byte(b'-');
        }
        let number = number.unsigned_abs();
        if number >= 10 {
            self.number((number / 10) as i64);
        }
        self.byte(b'0' + (number % 10) as u8);
    }

    /// A type, inside of a string: its [`Display`](core::fmt::Display) form, in which quotes are escaped.
    const fn data_type(&mut self, data_type: &DataType) {
        self.raw(data_type.name());
        match data_type {
            DataType::FixedSizeBinary(size) => self.number(*size as i64),
            DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => {
                self.raw(unit.symbol());
            }
            DataType::Timestamp(unit, zone) => {
                self.raw(unit.symbol());
                if let Some(zone) = zone {
                    self.raw(", \\\"");
                    self.raw(zone);
                    self.raw("\\\"");
                }
            }
            DataType::Decimal128(precision, scale) => {
                self.number(*precision as i64);
                self.raw(", ");
                self.number(*scale as i64);
            }
            DataType::List(element) => self.data_type(element),
            DataType::Struct(fields) => {
                let mut place = 0;
                while place < fields.len() {
                    self.raw(if place == 0 { "\\\"" } else { ", \\\"" });
                    self.raw(fields[place].name);
                    self.raw("\\\": ");
                    self.data_type(&fields[place].data_type);
                    place += 1;
                }
            }
            _ => return,
        }
        self.byte(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_type::{Field, Unit};
    use alloc::format;
    use alloc::string::ToString;

    const PLUGIN: Plugin = Plugin {
        name: "p-1",
        version: "1.0.0",
        description: "Says \"hello\"\n\\ to all.",
        capabilities: &["clock", "log"],
        config_schema: "{}",
    };

    #[test]
    fn escapes_strings_and_counts_what_it_writes() {
        const HEAD: Json<{ Json::<0>::head(&PLUGIN).length() }> = Json::head(&PLUGIN);
        const TAIL: Json<{ Json::<0>::tail(&PLUGIN).length() }> = Json::tail(&PLUGIN);
        assert_eq!(
            format!("{}{}", HEAD.text(), TAIL.text()),
            concat!(
                r#"{"name":"p-1","version":"1.0.0","description":"Says \"hello\"\u000a\\ to all.","#,
                r#""functions":[],"capabilities":["clock","log"],"config_schema":{}}"#
            )
        );
    }

    #[test]
    fn writes_types_as_they_are_displayed() {
        const FIELDS: &[Field] = &[
            Field {
                name: "at",
                data_type: DataType::Timestamp(Unit::Nanosecond, Some("UTC")),
            },
            Field {
                name: "for",
                data_type: DataType::List(&DataType::Duration(Unit::Microsecond)),
            },
        ];
        for data_type in [
            DataType::Boolean,
            DataType::Utf8,
            DataType::FixedSizeBinary(1016),
            DataType::Time32(Unit::Second),
            DataType::Time64(Unit::Microsecond),
            DataType::Timestamp(Unit::Millisecond, None),
            DataType::Decimal128(38, -10),
            DataType::IntervalMonthDayNano,
            DataType::Struct(FIELDS),
            DataType::Struct(&[]),
            DataType::Any,
        ] {
            let mut json = Json::<200>::EMPTY;
            json.data_type(&data_type);
            let text = str::from_utf8(&json.bytes[..json.length]).unwrap_or_default();
            assert_eq!(text.replace("\\\"", "\""), data_type.to_string());
        }
    }

    #[test]
    fn knows_valid_names() {
        let valid = |name| Plugin { name, ..PLUGIN }.name_is_valid();
        assert!(valid("geo") && valid("a-b_9"));
        assert!(!valid("") && !valid("Geo") && !valid("9a") && !valid("a b"));
    }
}
