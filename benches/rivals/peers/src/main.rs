//! A process that runs one of the rivals that have nothing to do with DataFusion, as `rivals_worker` says: `rivals-peers NAME MODE`.

mod arrow_udf;
mod columns;
mod extism;

use std::io;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("arrow-udf") => rivals_worker::work::<arrow_udf::ArrowUdf>(args),
        Some("extism") => rivals_worker::work::<extism::Extism>(args),
        other => Err(io::Error::other(format!("no rival: {other:?}"))),
    }
}
