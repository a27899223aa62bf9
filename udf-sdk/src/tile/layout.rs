//! The buffers of every type of the Arrow C Data Interface.

/// What an array has, apart from validity and children: by the format string of its type.
pub(super) enum Layout {
    /// Nothing.
    Null,
    /// A bit for each value.
    Bits,
    /// So many bytes for each value.
    Fixed(usize),
    /// Offsets of so many bytes, and data.
    Bytes(usize),
    /// Views of 16 bytes, data in any number of buffers, and a buffer with their lengths.
    Views,
    /// Offsets of so many bytes into the child.
    List(usize),
    /// Offsets and lengths of so many bytes into the child.
    ListViews(usize),
    /// Children of the same length, or of a multiple of it.
    Children,
    /// Type ids, and children of the same length; no validity.
    SparseUnion,
    /// Type ids, and offsets into the children; no validity.
    DenseUnion,
    /// The ends of runs in the first child, their values in the second; no validity.
    Runs,
}

impl Layout {
    /// The layout of a type with this format string, if there is such a type.
    pub(super) fn of(format: &str) -> Option<Layout> {
        let number = |text: &str| text.parse::<usize>().ok();
        Some(match format {
            "n" => Layout::Null,
            "b" => Layout::Bits,
            "c" | "C" => Layout::Fixed(1),
            "s" | "S" | "e" => Layout::Fixed(2),
            "i" | "I" | "f" | "tdD" | "tts" | "ttm" | "tiM" => Layout::Fixed(4),
            "l" | "L" | "g" | "tdm" | "ttu" | "ttn" | "tiD" => Layout::Fixed(8),
            "tin" => Layout::Fixed(16),
            "u" | "z" => Layout::Bytes(4),
            "U" | "Z" => Layout::Bytes(8),
            "vu" | "vz" => Layout::Views,
            "+l" | "+m" => Layout::List(4),
            "+L" => Layout::List(8),
            "+vl" => Layout::ListViews(4),
            "+vL" => Layout::ListViews(8),
            "+s" => Layout::Children,
            "+r" => Layout::Runs,
            _ if format.starts_with("ts") || format.starts_with("tD") => Layout::Fixed(8),
            _ if format.starts_with("+us:") => Layout::SparseUnion,
            _ if format.starts_with("+ud:") => Layout::DenseUnion,
            _ if format.starts_with("+w:") => Layout::Children,
            _ => match format.split_once(':')? {
                ("w", width) => Layout::Fixed(number(width)?),
                // Precision, scale, and the number of bits if it is not 128.
                ("d", parts) => Layout::Fixed(match parts.split(',').nth(2) {
                    Some(bits) => number(bits)? / 8,
                    None => 16,
                }),
                _ => return None,
            },
        })
    }

    /// Whether the first buffer is a validity bitmap.
    pub(super) fn has_validity(&self) -> bool {
        !matches!(
            self,
            Layout::Null | Layout::SparseUnion | Layout::DenseUnion | Layout::Runs
        )
    }
}
