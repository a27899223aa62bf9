//! Keeps a sample of all queries in a key-value table, which SQL can read: `SELECT * FROM query_samples()`. Shows an observer that stores,
//! beside a table function that reads what it has stored.
//!
//! `[config]` may set, both of them optional: `one_in` (of how many queries one is kept: 10) and `keep` (how many are kept, after which the
//! oldest go: 1,000).

use std::cell::RefCell;

use wasmfusion_udf::host::config;
use wasmfusion_udf::host::table::{Access, Table};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["observe:query", "config", "table:read:query_samples", "table:write:query_samples"],
    config_schema: r#"{
        "type": "object",
        "properties": {
            "one_in": {"type": "integer", "minimum": 1},
            "keep": {"type": "integer", "minimum": 1, "maximum": 1000000}
        },
        "additionalProperties": false
    }"#,
}

const TABLE: &str = "query_samples";

std::thread_local! {
    static SAMPLER: RefCell<Option<Sampler>> = const { RefCell::new(None) };
}

/// What is remembered from query to query.
struct Sampler {
    table: Table,
    one_in: u64,
    keep: u64,
    seen: u64,
    kept: u64,
}

/// Stores one of so many queries.
#[observer(event = "query_end")]
pub fn sample(
    time: TimestampUtc<Nanos>,
    query: i64,
    sql: Option<&str>,
    duration_ns: i64,
    rows: i64,
    error: Option<&str>,
) -> Result<(), Error> {
    SAMPLER.with_borrow_mut(|sampler| {
        let sampler = match sampler {
            Some(sampler) => sampler,
            None => sampler.insert(Sampler::new()?),
        };
        if !sampler.wants() {
            return Ok(());
        }
        let end = error.unwrap_or_default().replace(['\t', '\n'], " ");
        let sql = sql.unwrap_or_default();
        let entry = format!(
            "{}\t{query}\t{duration_ns}\t{rows}\t{end}\t{sql}",
            time.count()
        );
        // Written over when so many others were kept.
        let key = format!("{:06}", sampler.kept % sampler.keep);
        sampler.kept += 1;
        Ok(sampler.table.put(key, entry)?)
    })
}

impl Sampler {
    fn new() -> Result<Self, Error> {
        let (one_in, keep): (Option<u64>, Option<u64>) =
            (config::get("one_in")?, config::get("keep")?);
        Ok(Sampler {
            table: Table::open_for(TABLE, Access::Write)?,
            one_in: one_in.unwrap_or(10).max(1),
            keep: keep.unwrap_or(1_000).max(1),
            seen: 0,
            kept: 0,
        })
    }

    /// Whether the next query is kept.
    fn wants(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(self.one_in)
    }
}

/// A query of the sample.
#[derive(Debug, PartialEq, SqlStruct)]
pub struct Sample {
    time: TimestampUtc<Nanos>,
    query: i64,
    duration_ms: f64,
    rows: i64,
    error: Option<String>,
    sql: Option<String>,
}

/// The sample.
#[udtf(volatility = "volatile")]
pub fn query_samples() -> Result<impl Iterator<Item = Sample> + 'static, Error> {
    let table = match Table::open(TABLE) {
        Ok(table) => table,
        // Nothing was kept so far.
        Err(error) if error.kind() == wasmfusion_udf::host::ErrorKind::NotFound => {
            return Ok(Vec::new().into_iter());
        }
        Err(error) => return Err(error.into()),
    };
    let mut samples = Vec::new();
    for entry in table.iter() {
        let (_, entry) = entry?;
        samples.extend(parse(&String::from_utf8_lossy(&entry)));
    }
    samples.sort_by_key(|sample| sample.time);
    Ok(samples.into_iter())
}

fn parse(entry: &str) -> Option<Sample> {
    let mut parts = entry.splitn(6, '\t');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (time, query, duration_ns, rows) = (number()?, number()?, number()?, number()?);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(Sample {
        time: TimestampUtc::new(time),
        query,
        duration_ms: duration_ns as f64 / 1e6,
        rows,
        error: text(parts.next()?),
        sql: text(parts.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::{self, observe};

    fn see(queries: std::ops::Range<i64>) {
        let all = || queries.clone();
        let run = observe!(sample)
            .column(all().map(|query| TimestampUtc::<Nanos>::new(1_000 - query)))
            .column(all())
            .column(all().map(|query| Some(format!("SELECT {query},\t2"))))
            .column(all().map(|query| query * 1_000_000))
            .column(all())
            .column(all().map(|query| (query % 2 == 0).then(|| "can\tcelled".to_owned())))
            .run();
        assert_eq!(run, Ok(()));
    }

    #[test]
    fn keeps_some_and_reads_them_back() {
        let host = testing::host()
            .config("one_in", "3")
            .config("keep", "2")
            .table("query_samples", [] as [(&str, &str); 0]);
        see(0..10);
        // Queries 2, 5 and 8, of which the third has taken the place of the first.
        assert_eq!(host.read_table("query_samples").len(), 2);
        let samples: Vec<Sample> = query_samples().map(Iterator::collect).expect("a table");
        assert_eq!(
            samples,
            [
                Sample {
                    time: TimestampUtc::new(992),
                    query: 8,
                    duration_ms: 8.0,
                    rows: 8,
                    error: Some("can celled".to_owned()),
                    sql: Some("SELECT 8,\t2".to_owned()),
                },
                Sample {
                    time: TimestampUtc::new(995),
                    query: 5,
                    duration_ms: 5.0,
                    rows: 5,
                    error: None,
                    sql: Some("SELECT 5,\t2".to_owned()),
                },
            ]
        );
        assert_eq!(host.calls("table_open"), 2);
    }
}
