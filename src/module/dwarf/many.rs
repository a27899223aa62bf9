//! Many positions in one go over the debug information: their places, and the functions that were compiled into others there.
//!
//! As the search for one position, it goes through each table once, keeps nothing of them, and ends when its time is up: what was found
//! until then is what there is.

use std::time::Instant;

use gimli::{AttributeValue, DebuggingInformationEntry, Reader, Section, Unit, UnitOffset};

use super::{ABBREV_BYTES_MAX, Bytes, Location, Search, load};

/// Most functions that were compiled into each other at one position.
const INLINED_MAX: usize = 32;
/// Longest way from a function to what has its name.
const ORIGINS_MAX: usize = 8;

/// What is known of a position.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// Where it is.
    pub(crate) location: Option<Location>,
    /// The functions that were compiled into the one that the code is in, outermost first.
    pub(crate) inlined: Vec<Inlined>,
}

/// A function that was compiled into another one.
#[derive(Clone, Debug)]
pub(crate) struct Inlined {
    /// Its name, as its compiler wrote it.
    pub(crate) name: String,
    /// Where the other function calls it.
    pub(crate) call: Location,
}

/// Finds what is known of these addresses, which are sorted.
pub(crate) fn find_many<'a>(
    section: impl Fn(&str) -> Option<&'a [u8]>,
    addresses: &[u64],
    until: Instant,
) -> Vec<Position> {
    let mut found: Vec<Position> = Vec::new();
    found.resize_with(addresses.len(), Position::default);
    let Some(dwarf) = load(section) else {
        return found;
    };
    if dwarf.debug_abbrev.reader().len() > ABBREV_BYTES_MAX {
        return found;
    }
    let search = Search {
        dwarf,
        address: 0,
        end: until,
    };
    let mut many = Many {
        search: &search,
        addresses,
        found: &mut found,
        steps: 0,
    };
    // It stops when its time is up, or when nothing can be read any more.
    let _: Option<()> = search.units_with(|unit| {
        many.unit(unit);
        None
    });
    found
}

struct Many<'s, 'a> {
    search: &'s Search<'a>,
    addresses: &'s [u64],
    found: &'s mut [Position],
    steps: u32,
}

impl<'a> Many<'_, 'a> {
    fn unit(&mut self, unit: &Unit<Bytes<'a>>) {
        if self.lines(unit).unwrap_or(true) {
            self.inlined(unit);
        }
    }

    /// The places among the addresses that are in a range.
    fn within(&self, begin: u64, end: u64) -> std::ops::Range<usize> {
        let from = self.addresses.partition_point(|address| *address < begin);
        let to = self.addresses.partition_point(|address| *address < end);
        from..to.max(from)
    }

    /// Finds the lines of this unit's addresses. Whether it has some.
    fn lines(&mut self, unit: &Unit<Bytes<'a>>) -> Option<bool> {
        let mut any = false;
        let mut rows = unit.line_program.clone()?.rows();
        let mut sequence_start = None;
        let mut last: Option<(u64, u64, Option<std::num::NonZeroU64>)> = None;
        while let Some((_, row)) = rows.next_row().ok()? {
            // Code that the linker removed is left at address 0, where no instruction can be.
            let live = *sequence_start.get_or_insert(row.address()) != 0;
            let (address, file, line, ends) = (
                row.address(),
                row.file_index(),
                row.line(),
                row.end_sequence(),
            );
            if live && let Some((begin, file, line)) = last {
                for place in self.within(begin, address) {
                    any = true;
                    let position = self.found.get_mut(place)?;
                    if position.location.is_none() {
                        position.location = self.search.location(unit, rows.header(), file, line);
                    }
                }
            }
            last = (!ends).then_some((address, file, line));
            if ends {
                sequence_start = None;
            }
            self.search.step(&mut self.steps)?;
        }
        Some(any)
    }

    /// Finds the functions of this unit that were compiled into others at its addresses.
    fn inlined(&mut self, unit: &Unit<Bytes<'a>>) -> Option<()> {
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs().ok()? {
            self.search.step(&mut self.steps)?;
            if entry.tag() != gimli::DW_TAG_inlined_subroutine {
                continue;
            }
            let mut known = None;
            let mut ranges = self.search.dwarf.die_ranges(unit, entry).ok()?;
            while let Ok(Some(range)) = ranges.next() {
                self.search.step(&mut self.steps)?;
                if range.begin == 0 {
                    continue;
                }
                for place in self.within(range.begin, range.end) {
                    let known = known.get_or_insert_with(|| self.describe(unit, entry));
                    let inlined = &mut self.found.get_mut(place)?.inlined;
                    if let Some(known) = known
                        && inlined.len() < INLINED_MAX
                    {
                        inlined.push(known.clone());
                    }
                }
            }
        }
        Some(())
    }

    fn describe(
        &self,
        unit: &Unit<Bytes<'a>>,
        entry: &DebuggingInformationEntry<Bytes<'a>>,
    ) -> Option<Inlined> {
        let name = self.name(unit, entry)?;
        let file = match entry.attr_value(gimli::DW_AT_call_file)? {
            AttributeValue::FileIndex(file) => file,
            file => file.udata_value()?,
        };
        let line = entry.attr_value(gimli::DW_AT_call_line);
        let line = line.and_then(|line| line.udata_value());
        let line = line.and_then(std::num::NonZeroU64::new);
        let header = unit.line_program.as_ref()?.header();
        let call = self.search.location(unit, header, file, line)?;
        Some(Inlined { name, call })
    }

    /// The name of a function, which may be where it was declared.
    fn name(
        &self,
        unit: &Unit<Bytes<'a>>,
        entry: &DebuggingInformationEntry<Bytes<'a>>,
    ) -> Option<String> {
        let mut entry = entry.clone();
        for _ in 0..ORIGINS_MAX {
            let names = [gimli::DW_AT_linkage_name, gimli::DW_AT_name];
            let name = names.into_iter().find_map(|of| entry.attr_value(of));
            if let Some(name) = name {
                let name = self.search.dwarf.attr_string(unit, name).ok()?;
                return Some(name.to_string_lossy().into_owned());
            }
            let origins = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification];
            let origin = origins.into_iter().find_map(|of| entry.attr_value(of))?;
            entry = unit.entry(self.origin(unit, origin)?).ok()?;
        }
        None
    }

    /// Where in this unit a function's origin is. Those in other units are few, and are left out.
    fn origin(
        &self,
        unit: &Unit<Bytes<'a>>,
        value: AttributeValue<Bytes<'a>>,
    ) -> Option<UnitOffset> {
        match value {
            AttributeValue::UnitRef(offset) => Some(offset),
            AttributeValue::DebugInfoRef(offset) => offset.to_unit_offset(&unit.header),
            _ => None,
        }
    }
}
