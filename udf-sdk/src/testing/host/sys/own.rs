//! What every host has: replies, logs, metrics, settings, clocks and random bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wasmfusion_abi::host::status;

use super::super::LogRecord;
use super::super::state::{METRIC_HANDLES, current, invalid, metric as metric_handle, not_found};
use super::{Pair, answer, call, pairs, text, write};
use crate::host::log::Level;

functions! {
    fn reply(out: *mut u8, capacity: usize) {
        answer("reply", out, capacity, |state| Ok(core::mem::take(&mut state.reply)))
    }

    fn error(out: *mut u8, capacity: usize) {
        let Some(state) = current() else {
            return status::UNAVAILABLE;
        };
        let state = state.borrow();
        let words = &state.words[..state.words.floor_char_boundary(capacity)];
        write(words.as_bytes(), out);
        words.len() as i64
    }

    fn log(level: i32, message: *const u8, length: usize, fields: *const Pair, field_count: usize) {
        call("log", |state| {
            let level = match level {
                1 => Level::Error,
                2 => Level::Warn,
                3 => Level::Info,
                4 => Level::Debug,
                5 => Level::Trace,
                _ => return Err(invalid("there is no such level")),
            };
            if level <= state.level {
                let (message, fields) = (text(message, length), pairs(fields, field_count));
                state.logs.push(LogRecord { level, message, fields });
            }
            Ok(0)
        })
    }

    fn metric(_kind: i32, name: *const u8, length: usize, labels: *const Pair, label_count: usize) {
        call("metric", |_| Ok(metric_handle((text(name, length), pairs(labels, label_count)))))
    }

    fn config(key: *const u8, length: usize, out: *mut u8, capacity: usize) {
        answer("config", out, capacity, |state| {
            let key = text(key, length);
            if key.is_empty() {
                let pairs = state.config.iter();
                let pairs: Vec<String> = pairs.map(|(key, json)| format!("{key:?}:{json}")).collect();
                return Ok(format!("{{{}}}", pairs.join(",")).into_bytes());
            }
            let json = state.config.get(&key).ok_or_else(|| not_found("configuration for", &key))?;
            Ok(json.clone().into_bytes())
        })
    }

    fn secret(name: *const u8, length: usize, out: *mut u8, capacity: usize) {
        answer("secret", out, capacity, |state| {
            let name = text(name, length);
            let secret = state.secrets.get(&name).ok_or_else(|| not_found("secret", &name))?;
            Ok(secret.clone().into_bytes())
        })
    }

    fn env(name: *const u8, length: usize, out: *mut u8, capacity: usize) {
        answer("env", out, capacity, |state| {
            let name = text(name, length);
            let value = state.env.get(&name).ok_or_else(|| not_found("variable", &name))?;
            Ok(value.clone().into_bytes())
        })
    }

    fn random(out: *mut u8, length: usize) {
        call("random", |state| {
            let bytes: Vec<u8> = (0..length).map(|_| state.random()).collect();
            write(&bytes, out);
            Ok(0)
        })
    }
}

plain_functions! {
    fn close(handle: i32) {
        call("close", |state| {
            if handle < METRIC_HANDLES {
                state.handle(handle)?;
                state.handles.remove(&handle);
            }
            Ok(0)
        })
    }

    fn log_enabled(level: i32) {
        call("log_enabled", |state| Ok(i64::from(level <= state.level as i32)))
    }

    fn metric_record(handle: i32, value: f64) {
        call("metric_record", |state| {
            state.recorded.push((handle, value));
            Ok(0)
        })
    }

    fn clock_realtime() {
        call("clock_realtime", |state| Ok(state.now))
    }

    fn clock_monotonic() {
        call("clock_monotonic", |state| Ok(state.now))
    }
}
