//! The hottest functions, for people.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use wasmfusion::{FrameKind, HotFunction, Profile};

/// Prints the `top` hottest functions, and what the profile does not show.
pub fn print(profile: &Profile, top: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let all = profile.guest_time();
    writeln!(
        out,
        "{} in WebAssembly functions, {} samples",
        millis(all),
        profile.samples()
    )?;
    if all.is_zero() {
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_header(["self", "", "total", "", "samples", "plugin", "function"]);
    for place in 0..5 {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let functions = profile.hottest();
    for function in functions.iter().take(top) {
        table.add_row(row(function, all));
    }
    writeln!(out, "{table}")?;
    let more = functions.len().saturating_sub(top);
    if more > 0 {
        writeln!(out, "{more} more functions; --top shows more of them")?;
    }
    if profile.stacks_cut > 0 {
        let cut = profile.stacks_cut;
        writeln!(
            out,
            "{cut} samples had more different stacks than are kept; they count for their SQL function"
        )?;
    }
    if profile.timeline_cut > 0 {
        let cut = profile.timeline_cut;
        writeln!(out, "{cut} samples are not in the timeline, which is full")?;
    }
    Ok(())
}

fn row(function: &HotFunction, all: Duration) -> [String; 7] {
    let percent = |time: Duration| {
        let share = time.as_secs_f64() / all.as_secs_f64();
        format!("{:.1} %", share * 100.0)
    };
    let name = match function.kind {
        FrameKind::Entry => format!("{} (entry)", function.name),
        _ => function.name.clone(),
    };
    [
        percent(function.own),
        millis(function.own),
        percent(function.total),
        millis(function.total),
        function.samples.to_string(),
        function.plugin.clone(),
        name,
    ]
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
