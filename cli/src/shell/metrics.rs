//! `--metrics-addr`: what the registry knows, for Prometheus to fetch.

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};
use wasmfusion::{MetricsPublisher, Registry};

use crate::args::ShellArgs;

/// How old what is fetched may be.
const EVERY: Duration = Duration::from_secs(1);

/// Answers requests at the address of the command line, if it names one, while the result lives.
pub fn serve(args: &ShellArgs, registry: &Registry) -> Result<Option<MetricsPublisher>, String> {
    let Some(address) = args.metrics_addr else {
        return Ok(None);
    };
    check(address, args.metrics_allow_remote)?;
    let told = |problem: String| format!("--metrics-addr {address}: {problem}");
    PrometheusBuilder::new()
        .with_http_listener(address)
        .install()
        .map_err(|error| told(reason(error)))?;
    let publisher = MetricsPublisher::start(registry, EVERY);
    publisher.map(Some).map_err(|error| error.to_string())
}

/// That only this machine can ask, unless the user wants others to.
fn check(address: SocketAddr, allow_remote: bool) -> Result<(), String> {
    match address.ip().to_canonical().is_loopback() || allow_remote {
        true => Ok(()),
        false => Err(format!(
            "--metrics-addr {address}: other machines could ask there, and nobody is asked who he is; metrics have names of plugins, functions and \
             whatever plugins write into labels. Take an address of this machine alone, as 127.0.0.1:{}, or add --metrics-allow-remote",
            address.port()
        )),
    }
}

fn reason(error: BuildError) -> String {
    match error {
        BuildError::FailedToCreateHTTPListener(reason) => {
            format!("cannot listen there: {reason}; take another port, or end what uses this one")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_let_in_on_demand_only() {
        for address in [
            "127.0.0.1:9464",
            "127.9.9.9:1",
            "[::1]:9464",
            "[::ffff:127.0.0.1]:9464",
        ] {
            assert_eq!(check(address.parse().unwrap(), false), Ok(()), "{address}");
        }
        for address in [
            "0.0.0.0:9464",
            "10.0.0.1:9464",
            "[::]:9464",
            "[fe80::1]:9464",
        ] {
            let address = address.parse().unwrap();
            let problem = check(address, false).unwrap_err();
            assert!(problem.contains("--metrics-allow-remote"), "{problem}");
            assert_eq!(check(address, true), Ok(()), "{address}");
        }
    }
}
