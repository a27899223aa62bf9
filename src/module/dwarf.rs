//! From a position in the code to a file and a line, by the debug information that a module carries.
//!
//! Debug information is the guest's, and may be made to cost time or memory: tables that every unit shares, headers with
//! millions of entries. So the search goes straight through the line tables and leaves indexes alone. It keeps nothing, skips
//! tables beyond the sizes below, and ends when its time is up. Whoever loses by that loses a line number in a message.

mod many;

use std::sync::Arc;
use std::time::{Duration, Instant};

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrevOffset, DebugLineOffset, Dwarf, EndianSlice,
    LittleEndian, Reader, Section, SectionId, Unit, UnitHeader,
};

/// Longest search. Each step of it takes a few milliseconds at most, and the clock is read between steps.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(200);
/// Largest `.debug_abbrev`: what one step reads, and some twenty times of it in memory.
const ABBREV_BYTES_MAX: usize = 4 << 20;
/// Largest line table of one unit.
const LINES_BYTES_MAX: u64 = 4 << 20;
/// Largest table of file names of one unit.
const LINES_HEADER_BYTES_MAX: u64 = 512 << 10;
/// Lines between two looks at the clock.
const STEPS: u32 = 4096;

pub(crate) use many::find_many;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Path as the compiler recorded it: text of the guest.
    pub file: String,
    pub line: Option<u32>,
}

/// Finds the place of the instruction at `address`, counted from the start of the code section's contents.
///
/// `section` gives the content of a custom section by name.
pub(crate) fn find<'a>(
    section: impl Fn(&str) -> Option<&'a [u8]>,
    address: u64,
) -> Option<Location> {
    let dwarf = load(section)?;
    if dwarf.debug_abbrev.reader().len() > ABBREV_BYTES_MAX {
        return None;
    }
    let search = Search {
        dwarf,
        address,
        end: Instant::now() + SEARCH_TIME_MAX,
    };
    search.units()
}

fn load<'a>(section: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Dwarf<Bytes<'a>>> {
    Dwarf::load(|id: SectionId| {
        let data = section(id.name()).unwrap_or_default();
        Ok::<_, gimli::Error>(EndianSlice::new(data, LittleEndian))
    })
    .ok()
}

struct Search<'a> {
    dwarf: Dwarf<Bytes<'a>>,
    address: u64,
    end: Instant,
}

impl<'a> Search<'a> {
    fn units(&self) -> Option<Location> {
        self.units_with(|unit| self.lines(unit))
    }

    /// Looks at each unit until something is found.
    fn units_with<T>(&self, mut look: impl FnMut(&Unit<Bytes<'a>>) -> Option<T>) -> Option<T> {
        let mut headers = self.dwarf.units();
        // Units mostly share one table of abbreviations, or follow each other with the same one.
        let mut shared: Option<(DebugAbbrevOffset, Arc<Abbreviations>)> = None;
        while let Some(header) = headers.next().ok()? {
            if self.late() {
                return None;
            }
            let offset = header.debug_abbrev_offset();
            let abbreviations = match &shared {
                Some((of, abbreviations)) if *of == offset => Arc::clone(abbreviations),
                _ => {
                    let Ok(parsed) = self.dwarf.abbreviations(&header) else {
                        continue;
                    };
                    shared = Some((offset, Arc::clone(&parsed)));
                    parsed
                }
            };
            if let Some(unit) = self.unit(header, abbreviations)
                && let Some(found) = look(&unit)
            {
                return Some(found);
            }
        }
        None
    }

    fn unit(
        &self,
        header: UnitHeader<Bytes<'a>>,
        abbreviations: Arc<Abbreviations>,
    ) -> Option<Unit<Bytes<'a>>> {
        // The line table is measured before `Unit` reads it.
        self.measure(lines_offset(&header, &abbreviations)?)?;
        Unit::new_with_abbreviations(&self.dwarf, header, abbreviations).ok()
    }

    /// Nothing if a line table is too large to be read.
    fn measure(&self, offset: DebugLineOffset) -> Option<()> {
        let mut table = *self.dwarf.debug_line.reader();
        table.skip(offset.0).ok()?;
        let (length, format) = table.read_initial_length().ok()?;
        let version = table.read_u16().ok()?;
        if version >= 5 {
            table.skip(2).ok()?; // sizes of addresses and of segment selectors
        }
        let header_length = table.read_length(format).ok()?;
        let fits =
            length as u64 <= LINES_BYTES_MAX && header_length as u64 <= LINES_HEADER_BYTES_MAX;
        fits.then_some(())
    }

    /// The last row of a sequence that is not behind the address.
    fn lines(&self, unit: &Unit<Bytes<'a>>) -> Option<Location> {
        let mut rows = unit.line_program.clone()?.rows();
        let mut steps = 0;
        let mut sequence_start = None;
        let mut last = None;
        while let Some((_, row)) = rows.next_row().ok()? {
            // Code that the linker removed is left at address 0, where no instruction can be.
            let live = *sequence_start.get_or_insert(row.address()) != 0;
            if live
                && row.address() > self.address
                && let Some((file, line)) = last
            {
                return self.location(unit, rows.header(), file, line);
            }
            last = (row.address() <= self.address).then(|| (row.file_index(), row.line()));
            if row.end_sequence() {
                sequence_start = None;
                last = None;
            }
            self.step(&mut steps)?;
        }
        None
    }

    fn location(
        &self,
        unit: &Unit<Bytes<'a>>,
        header: &gimli::LineProgramHeader<Bytes<'a>>,
        file: u64,
        line: Option<std::num::NonZeroU64>,
    ) -> Option<Location> {
        let file = header.file(file)?;
        let string = |value: AttributeValue<Bytes<'a>>| {
            let string = self.dwarf.attr_string(unit, value).ok()?;
            Some(string.to_string_lossy())
        };
        let mut path = String::new();
        if let Some(directory) = unit.comp_dir {
            push(&mut path, &directory.to_string_lossy());
        }
        if let Some(directory) = file.directory(header).and_then(string) {
            push(&mut path, &directory);
        }
        push(&mut path, &string(file.path_name())?);
        let line = line.and_then(|line| u32::try_from(line.get()).ok());
        Some(Location { file: path, line })
    }

    fn late(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Counts a step; nothing when the time is up.
    fn step(&self, steps: &mut u32) -> Option<()> {
        *steps += 1;
        (!steps.is_multiple_of(STEPS) || !self.late()).then_some(())
    }
}

/// Where the line table of a unit is.
fn lines_offset(
    header: &UnitHeader<Bytes<'_>>,
    abbreviations: &Abbreviations,
) -> Option<DebugLineOffset> {
    let mut entries = header.entries(abbreviations);
    entries.next_dfs().ok()?;
    match entries.current()?.attr_value(gimli::DW_AT_stmt_list)? {
        AttributeValue::DebugLineRef(offset) => Some(offset),
        _ => None,
    }
}

/// Puts `part` behind the path, or in its place if it starts at a root.
fn push(path: &mut String, part: &str) {
    let bytes = part.as_bytes();
    if bytes.first() == Some(&b'/') || bytes.get(1) == Some(&b':') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}
