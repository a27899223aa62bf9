//! Where the probes of one function go, and how positions shift because of them.
//!
//! A probe is a load from the watch page whose result is dropped. There is one at the head of every loop, one at the
//! entry of every function that has a loop or a call, and one in front of every instruction that works on a whole range of memory or of a
//! table, so that no guest code runs for long without meeting one.
//!
//! Probe `k` of a function reads the word number `k` of the page. The offsets must differ: of two equal loads, the compiler removes
//! the one that the other dominates, and the loop that lost its probe could not be stopped any more. A load of a word is the
//! shortest of all instructions that will do: two or three bytes where a tight loop has forty.

use wasm_encoder::{InstructionSink, MemArg};
use wasmparser::{FunctionBody, Operator};

/// Bytes that a probe reads.
const PROBE_BYTES: usize = 4;

/// How many probes a function can have: one for each word of the page.
pub(crate) const PROBES_MAX: usize = (1 << 16) / PROBE_BYTES;

/// Index of the memory that holds the watch page. Guests have one memory, with index 0.
pub(crate) const WATCH_MEMORY: u32 = 1;

/// The places in one function body where probes go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProbePoints {
    /// In bytes from the start of the body in the original module, ascending. Probe `k` goes in front of the byte at `points[k]`.
    points: Vec<usize>,
}

impl ProbePoints {
    /// Finds the places. There may be more than [`PROBES_MAX`].
    pub fn find(body: &FunctionBody<'_>) -> Result<Self, wasmparser::Error> {
        let start = body.range().start;
        let mut reader = body.get_operators_reader()?;
        let mut points = vec![reader.original_position() - start];
        let mut watched = false;
        while !reader.eof() {
            let before = reader.original_position() - start;
            match reader.read()? {
                Operator::Loop { .. } => points.push(reader.original_position() - start),
                operator if is_bulk(&operator) => points.push(before),
                Operator::Call { .. } | Operator::CallIndirect { .. } => watched = true,
                _ => {}
            }
        }
        if points.len() == 1 && !watched {
            points.clear();
        }
        Ok(Self { points })
    }

    /// Number of probes.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Writes `body` with the probes in it to `sink`.
    pub fn splice(&self, body: &[u8], sink: &mut Vec<u8>) {
        let mut copied = 0;
        for (k, &point) in self.points.iter().enumerate() {
            sink.extend_from_slice(&body[copied..point]);
            encode(k, sink);
            copied = point;
        }
        sink.extend_from_slice(&body[copied..]);
    }

    /// The place in the original body that `offset` in the spliced body stands for. Within a probe, it is what follows it.
    pub fn original_offset(&self, offset: usize) -> usize {
        let mut inserted = 0;
        let mut probe = Vec::new();
        for (k, &point) in self.points.iter().enumerate() {
            if offset < point + inserted {
                break;
            }
            probe.clear();
            encode(k, &mut probe);
            if offset < point + inserted + probe.len() {
                return point;
            }
            inserted += probe.len();
        }
        offset - inserted
    }
}

/// Whether one instruction can take as long as memory is large. Many of them in a row need no loop.
pub(crate) fn is_bulk(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryGrow { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableGrow { .. }
            | Operator::TableInit { .. }
    )
}

fn encode(k: usize, sink: &mut Vec<u8>) {
    InstructionSink::new(sink)
        .i32_const(0)
        .i32_load(MemArg {
            offset: (k * PROBE_BYTES) as u64,
            align: PROBE_BYTES.ilog2(),
            memory_index: WATCH_MEMORY,
        })
        .drop();
}
