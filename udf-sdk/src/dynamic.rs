//! Types that are known only at run time: the owned form of the Arrow C Data Interface's schemas.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;
use core::slice;

use crate::data_type::{DataType, Unit};
use crate::raw::ArrowSchema;

/// A flag of [`Type`]: the order of a dictionary's values means something.
pub const FLAG_ORDERED: i64 = 1;
/// A flag of [`Type`]: values may be NULL.
pub const FLAG_NULLABLE: i64 = 2;
/// A flag of [`Type`]: the keys of a map are sorted.
pub const FLAG_KEYS_SORTED: i64 = 4;

/// A type that is known only when a function is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    format: String,
    name: String,
    metadata: Vec<u8>,
    flags: i64,
    children: Vec<Type>,
    dictionary: Option<Box<Type>>,
}

impl Type {
    /// Its format string in the Arrow C Data Interface: `"g"` is Float64, `"u"` Utf8, `"+l"` a list.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Its name, if it is a field of another type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether values may be NULL.
    pub fn is_nullable(&self) -> bool {
        self.flags & FLAG_NULLABLE != 0
    }

    /// The same type, whose values may be NULL or not.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.flags = self.flags & !FLAG_NULLABLE | if nullable { FLAG_NULLABLE } else { 0 };
        self
    }

    /// The types that it is made of: of a list its elements, of a struct its fields.
    pub fn children(&self) -> &[Type] {
        &self.children
    }

    /// The type of the values, if this is the type of a dictionary's keys.
    pub fn dictionary(&self) -> Option<&Type> {
        self.dictionary.as_deref()
    }

    /// Whether it is this type, apart from names that mean nothing.
    pub fn is(&self, data_type: &DataType) -> bool {
        self.same(&Type::from(data_type))
    }

    /// Whether the two have the same values: the names of a struct's fields count, those of a list's elements do not.
    pub fn same(&self, other: &Type) -> bool {
        let named = self.format == "+s";
        let dictionaries = match (&self.dictionary, &other.dictionary) {
            (Some(one), Some(two)) => one.same(two),
            (None, None) => true,
            _ => false,
        };
        self.format == other.format
            && dictionaries
            && self.children.len() == other.children.len()
            && self
                .children
                .iter()
                .zip(&other.children)
                .all(|(one, two)| one.same(two) && (!named || one.name == two.name))
    }

    /// Reads a type.
    ///
    /// # Safety
    ///
    /// The schema keeps what the Arrow C Data Interface promises.
    pub(crate) unsafe fn read(schema: &ArrowSchema) -> Self {
        // SAFETY: strings end with a zero byte; there are `n_children` children, and all are schemas.
        unsafe {
            let text = |start: *const u8| match start.is_null() {
                true => String::new(),
                false => CStr::from_ptr(start.cast()).to_string_lossy().into_owned(),
            };
            let children = match schema.n_children {
                0 => &[],
                count => slice::from_raw_parts(schema.children, count as usize),
            };
            Type {
                format: text(schema.format),
                name: text(schema.name),
                metadata: metadata(schema.metadata),
                flags: schema.flags,
                children: children.iter().map(|child| Type::read(&**child)).collect(),
                dictionary: schema
                    .dictionary
                    .as_ref()
                    .map(|values| Box::new(Type::read(values))),
            }
        }
    }

    /// The type as a schema. It lives as long as the instance: a function is bound but a few times.
    pub(crate) fn export(&self) -> ArrowSchema {
        // A zero byte inside of a name would end it, so it ends it.
        let text = |text: &str| {
            let end = text.find('\0').unwrap_or(text.len());
            CString::new(&text[..end])
                .map_or(ptr::null(), |text| text.into_raw().cast_const().cast())
        };
        let schema = |data_type: &Type| Box::into_raw(Box::new(data_type.export()));
        let children: Vec<_> = self.children.iter().map(schema).collect();
        ArrowSchema {
            format: text(&self.format),
            name: text(&self.name),
            metadata: match self.metadata.is_empty() {
                true => ptr::null(),
                false => self.metadata.clone().leak().as_ptr(),
            },
            flags: self.flags,
            n_children: children.len() as i64,
            children: children.leak().as_mut_ptr(),
            dictionary: self.dictionary.as_deref().map_or(ptr::null_mut(), schema),
            ..ArrowSchema::EMPTY
        }
    }

    fn new(format: String, children: Vec<Type>) -> Self {
        Type {
            format,
            name: String::new(),
            metadata: Vec::new(),
            flags: FLAG_NULLABLE,
            children,
            dictionary: None,
        }
    }

    fn named(mut self, name: &str) -> Self {
        self.name = name.to_string();
        self
    }
}

/// The bytes of a schema's metadata: a number of pairs, then each key and value with its length in front.
///
/// # Safety
///
/// `start` is null or keeps what the Arrow C Data Interface promises.
unsafe fn metadata(start: *const u8) -> Vec<u8> {
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: each read is of a length that lies where the format says.
    unsafe {
        let length = |place: usize| start.add(place).cast::<i32>().read_unaligned() as usize;
        let end = (0..2 * length(0)).fold(4, |place, _| place + 4 + length(place));
        slice::from_raw_parts(start, end).to_vec()
    }
}

impl From<&DataType> for Type {
    fn from(data_type: &DataType) -> Self {
        let format = match data_type {
            DataType::Boolean => "b",
            DataType::Int8 => "c",
            DataType::Int16 => "s",
            DataType::Int32 => "i",
            DataType::Int64 => "l",
            DataType::UInt8 => "C",
            DataType::UInt16 => "S",
            DataType::UInt32 => "I",
            DataType::UInt64 => "L",
            DataType::Float32 => "f",
            DataType::Float64 => "g",
            DataType::Utf8 => "u",
            DataType::Binary => "z",
            DataType::Date32 => "tdD",
            DataType::IntervalMonthDayNano => "tin",
            // Not a type of values: no format string has this form, so nothing is the same.
            DataType::Any => "any",
            DataType::List(element) => {
                return Type::new(
                    "+l".to_string(),
                    [Type::from(*element).named("item")].into(),
                );
            }
            DataType::Struct(fields) => {
                let fields = fields.iter();
                let children = fields.map(|field| Type::from(&field.data_type).named(field.name));
                return Type::new("+s".to_string(), children.collect());
            }
            DataType::FixedSizeBinary(size) => return Type::new(format!("w:{size}"), Vec::new()),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                return Type::new(format!("tt{}", unit.letter()), Vec::new());
            }
            DataType::Timestamp(unit, zone) => {
                let format = format!("ts{}:{}", unit.letter(), zone.unwrap_or_default());
                return Type::new(format, Vec::new());
            }
            DataType::Duration(unit) => {
                return Type::new(format!("tD{}", unit.letter()), Vec::new());
            }
            DataType::Decimal128(precision, scale) => {
                return Type::new(format!("d:{precision},{scale}"), Vec::new());
            }
        };
        Type::new(format.to_string(), Vec::new())
    }
}

impl From<DataType> for Type {
    fn from(data_type: DataType) -> Self {
        Type::from(&data_type)
    }
}

impl Unit {
    /// The unit's letter in a format string.
    const fn letter(self) -> char {
        match self {
            Unit::Second => 's',
            Unit::Millisecond => 'm',
            Unit::Microsecond => 'u',
            Unit::Nanosecond => 'n',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_type::Field;

    #[test]
    fn comes_back_from_its_schema() {
        const FIELDS: &[Field] = &[Field {
            name: "at",
            data_type: DataType::List(&DataType::Timestamp(Unit::Nanosecond, Some("UTC"))),
        }];
        let mut data_type = Type::from(DataType::Struct(FIELDS));
        let mut metadata = Vec::new();
        for number in [1i32, 1] {
            metadata.extend(number.to_ne_bytes());
        }
        metadata.push(b'k');
        metadata.extend(0i32.to_ne_bytes());
        data_type.metadata = metadata;
        data_type.dictionary = Some(Box::new(Type::from(DataType::Utf8)));
        // SAFETY: just made.
        let back = unsafe { Type::read(&data_type.export()) };
        assert_eq!(back, data_type);
        assert_eq!(back.children()[0].children()[0].format(), "tsn:UTC");
    }

    #[test]
    fn compares_what_matters() {
        let list = Type::from(DataType::List(&DataType::Int64));
        let mut other = list.clone();
        other.children[0].name = "element".to_string();
        assert!(list.same(&other) && list.is(&DataType::List(&DataType::Int64)));
        assert!(!list.is(&DataType::List(&DataType::Int32)));
    }
}
