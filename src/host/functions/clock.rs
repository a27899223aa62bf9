//! `clock_realtime`, `clock_monotonic`.

use std::time::SystemTime;

use crate::host::gate::{Answer, Call};

pub(super) fn realtime(_call: &mut Call<'_>) -> Answer {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX))
}

pub(super) fn monotonic(call: &mut Call<'_>) -> Answer {
    Ok(i64::try_from(call.calls.host().monotonic_ns()).unwrap_or(i64::MAX))
}
