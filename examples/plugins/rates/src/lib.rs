//! Amounts of money in other currencies, by rates that are kept in a key-value table. Shows tables, configuration, logs and metrics.
//!
//! The table `rates` holds, for each currency, what one unit of the base currency is worth in it, as text: `USD` = `1.0857`. The
//! operator says in `[config]` which currency is the base; `config_schema` below is what the host checks that with.

use std::collections::HashMap;

use wasmfusion_udf::host::metrics::Counter;
use wasmfusion_udf::host::table::{Access, Table};
use wasmfusion_udf::host::{config, log};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["table:read:rates", "table:write:rates", "config", "log", "metric:emit"],
    config_schema: r#"{
        "type": "object",
        "properties": {"base": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "required": ["base"],
        "additionalProperties": false
    }"#,
}

static CONVERTED: Counter = Counter::new("amounts_converted");
static UNKNOWN: Counter = Counter::new("currencies_unknown");

/// An amount in another currency, by the rates of the table `rates`. NULL if there is no rate for one of the currencies.
#[udf(batch, volatility = "stable")]
pub fn convert_currency(
    amount: Column<'_, f64>,
    from: Column<'_, &str>,
    to: Column<'_, &str>,
    out: &mut Output<'_, Option<f64>>,
) -> Result<(), Error> {
    // Once for a batch, not once for a row: each rate is looked up when it is first needed.
    let mut rates = Rates::open()?;
    let mut converted = 0u32;
    for row in 0..amount.rows() {
        let (from, to) = (rates.get(from.get(row))?, rates.get(to.get(row))?);
        let result = from.zip(to).map(|(from, to)| amount.get(row) / from * to);
        converted += u32::from(result.is_some());
        out.push(result);
    }
    CONVERTED.add(converted.into());
    Ok(())
}

/// Sets what one unit of the base currency is worth in a currency. Returns the rate.
#[udf(volatility = "volatile")]
pub fn set_rate(code: &str, value: f64) -> Result<f64, Error> {
    if !is_code(code) {
        return Err(Error::new(format!(
            "`{code}` is not a currency: it has three capital letters, as EUR"
        )));
    }
    if !(value.is_finite() && value > 0.0) {
        return Err(Error::new("a rate is a number greater than zero"));
    }
    Table::open_for("rates", Access::Write)?.put(code, value.to_string())?;
    log::info!(code = code, value = value; "rate set");
    Ok(value)
}

fn is_code(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// The rates that a batch needs.
struct Rates {
    table: Table,
    known: HashMap<String, Option<f64>>,
}

impl Rates {
    fn open() -> Result<Self, Error> {
        let base: String = config::get("base")?;
        Ok(Rates {
            table: Table::open("rates")?,
            known: HashMap::from([(base, Some(1.0))]),
        })
    }

    fn get(&mut self, code: &str) -> Result<Option<f64>, Error> {
        if let Some(rate) = self.known.get(code) {
            return Ok(*rate);
        }
        let rate = match self.table.get(code)? {
            Some(value) => Some(parse(code, &value)?),
            None => {
                log::warn!(code = code; "there is no rate");
                UNKNOWN.increment();
                None
            }
        };
        self.known.insert(code.to_owned(), rate);
        Ok(rate)
    }
}

fn parse(code: &str, value: &[u8]) -> Result<f64, Error> {
    let rate = str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok());
    rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| Error::new(format!("the table `rates` has no number for {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::host::ErrorKind;
    use wasmfusion_udf::testing::{self, Host, call};

    fn host() -> Host {
        testing::host()
            .config("base", r#""EUR""#)
            .table("rates", [("USD", "1.25"), ("JPY", "160"), ("BAD", "much")])
    }

    #[test]
    fn converts() {
        let host = host();
        let run = call!(convert_currency)
            .column([100.0, 125.0, 1.25, 7.0])
            .column(["EUR", "USD", "USD", "XXX"])
            .column(["USD", "EUR", "JPY", "EUR"])
            .run();
        assert_eq!(run, Ok(vec![Some(125.0), Some(100.0), Some(160.0), None]));
        assert_eq!(host.calls("table_get"), 3);
        assert_eq!(host.logs()[0].to_string(), "WARN there is no rate code=XXX");
        assert_eq!(host.metric("amounts_converted", &[]), [3.0]);
        assert_eq!(host.metric("currencies_unknown", &[]), [1.0]);
        assert_eq!(host.open_handles(), 0);
    }

    #[test]
    fn says_what_is_missing() {
        let one = || {
            call!(convert_currency)
                .column([1.0])
                .constant("BAD")
                .constant("EUR")
        };
        let bare = testing::host();
        assert!(
            one()
                .run::<Option<f64>>()
                .is_err_and(|error| error.contains("base"))
        );
        drop(bare);
        let _host = host();
        let error = one().run::<Option<f64>>();
        assert_eq!(
            error,
            Err("the table `rates` has no number for BAD".to_owned())
        );
    }

    #[test]
    fn sets_rates() {
        let host = host();
        assert!(set_rate("CHF", 0.95).is_ok());
        assert_eq!(host.read_table("rates")[&b"CHF"[..]], b"0.95");
        assert_eq!(
            host.logs()[0].to_string(),
            "INFO rate set code=CHF value=0.95"
        );
        assert!(set_rate("chf", 0.95).is_err() && set_rate("CHF", f64::NAN).is_err());
        let _host = host.failing("table_open", ErrorKind::Denied, "not granted");
        let error = set_rate("CHF", 1.0).expect_err("not granted");
        assert_eq!(error.message(), "not granted");
    }
}
