//! HTTP, TCP and commands.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::HttpRequest;
use super::super::state::{Open, current, invalid, not_found};
use super::{answer, bytes, call, pairs, slice_text, text, write};
use crate::host::sys;

/// Most bytes that are read of a connection at once, so that there are several pieces.
const PIECE: usize = 7;

fn number(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

functions! {
    fn http(request: *const sys::HttpRequest, out: *mut u8, capacity: usize) {
        let request = &*request;
        let request = HttpRequest {
            method: slice_text(&request.method),
            url: slice_text(&request.url),
            headers: pairs(request.headers, request.header_count),
            body: bytes(request.body.address, request.body.length).to_vec(),
            timeout: Duration::from_millis(request.timeout_ms.into()),
        };
        // Who answers may look at the host, so it is not held here.
        let who = current().and_then(|state| state.borrow().http.clone());
        let response = match who {
            Some(who) => who(&request),
            None => Err(not_found("answer to", &request.url)),
        };
        answer("http", out, capacity, |state| {
            state.requests.push(request);
            let response = response?;
            let mut reply = Vec::new();
            reply.extend(u32::from(response.status).to_le_bytes());
            reply.extend(number(response.headers.len()));
            reply.extend(number(response.body.len()));
            for (name, value) in &response.headers {
                reply.extend(number(name.len()));
                reply.extend(number(value.len()));
                reply.extend(name.bytes());
                reply.extend(value.bytes());
            }
            reply.extend(&response.body);
            Ok(reply)
        })
    }

    fn tcp_connect(host: *const u8, length: usize, port: i32, _timeout_ms: u32) {
        call("tcp_connect", |state| {
            let port = u16::try_from(port).map_err(|_| invalid("there is no such port"))?;
            let to = (text(host, length), port);
            if !state.connections.contains_key(&to) {
                return Err(not_found("connection to", &format!("{}:{port}", to.0)));
            }
            Ok(state.open(Open::Connection { to, position: 0 }))
        })
    }

    fn tcp_read(handle: i32, out: *mut u8, capacity: usize) {
        call("tcp_read", |state| {
            let Some(Open::Connection { to, position }) = state.handles.get_mut(&handle) else {
                return Err(invalid("the handle is no connection"));
            };
            let sends = state.connections.get(to).and_then(|sends| sends.get(*position..));
            let sends = sends.unwrap_or_default();
            let read = &sends[..sends.len().min(capacity).min(PIECE)];
            write(read, out);
            *position += read.len();
            Ok(read.len() as i64)
        })
    }

    fn tcp_write(handle: i32, written: *const u8, length: usize) {
        call("tcp_write", |state| {
            let Open::Connection { to, .. } = state.handle(handle)?.clone() else {
                return Err(invalid("the handle is no connection"));
            };
            state.sent.entry(to).or_default().extend(bytes(written, length));
            Ok(length as i64)
        })
    }

    fn exec(request: *const sys::ExecRequest, out: *mut u8, capacity: usize) {
        let request = &*request;
        let name = slice_text(&request.command);
        let mut args = Vec::new();
        for place in 0..request.arg_count {
            args.push(slice_text(&*request.args.add(place)));
        }
        let input = bytes(request.input.address, request.input.length);
        let run = current().and_then(|state| state.borrow().commands.get(&name).cloned());
        let output = run.map(|run| run(&args, input));
        answer("exec", out, capacity, |_| {
            let output = output.ok_or_else(|| not_found("command", &name))?;
            let mut reply = Vec::new();
            reply.extend(output.code.to_le_bytes());
            reply.extend(number(output.stdout.len()));
            reply.extend(number(output.stderr.len()));
            reply.extend(&output.stdout);
            reply.extend(&output.stderr);
            Ok(reply)
        })
    }
}
