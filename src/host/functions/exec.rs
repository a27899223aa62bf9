//! `exec`: programs that were granted, without a shell.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use wasmfusion_abi::host::ExecRequest;

use super::http::{push, push_length};
use super::network::deadline;
use crate::capability::CapabilityKind::Exec;
use crate::host::gate::{Answer, Call};
use crate::host::process::{Command, ProcessBounds, run};

/// Longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 4 << 10;
/// Most arguments.
const ARGS_MAX: u32 = 1_000;
/// Longest argument, in bytes.
const ARG_BYTES_MAX: usize = 64 << 10;

/// Where a command without a path is looked for: not where the host's own environment says.
static SEARCH_PATH: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .map(PathBuf::from)
        .to_vec()
});

pub(super) fn exec(call: &mut Call<'_>, request: u32, out: u32, capacity: u32) -> Answer {
    let ExecRequest {
        command,
        args,
        arg_count,
        input,
        timeout_ms,
    } = call.memory.read("request", request)?;
    let command = call.text(
        "command",
        command.address,
        command.length,
        COMMAND_BYTES_MAX,
    )?;
    call.require(Exec, &command)?;
    call.calls.require_blocking()?;
    let args = call.slices("arguments", args, arg_count, ARGS_MAX, ARG_BYTES_MAX)?;
    let input = call.owned("input", input.address, input.length)?;
    let arguments: Vec<&str> = args
        .iter()
        .map(compact_str::CompactString::as_str)
        .collect();
    call.reaches_outside();
    let output = run(
        &Command {
            program: &command,
            args: &arguments,
            input: &input,
        },
        &ProcessBounds {
            deadline: deadline(call, timeout_ms),
            output_bytes_max: call.calls.limits().host_call_bytes_max,
            cancelled: call.calls.cancelled(),
            search_path: &SEARCH_PATH,
            environment: &[],
            directory: Path::new("/"),
        },
    )?;
    let mut reply = Vec::with_capacity(output.output.len() + output.error_output.len() + 12);
    push(&mut reply, output.code.cast_unsigned());
    push_length(&mut reply, output.output.len())?;
    push_length(&mut reply, output.error_output.len())?;
    reply.extend_from_slice(&output.output);
    reply.extend_from_slice(&output.error_output);
    call.reply(&reply, out, capacity)
}
