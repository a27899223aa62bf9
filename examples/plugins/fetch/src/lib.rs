//! What servers answer, over HTTP and over TCP. Shows the network.
//!
//! Functions that wait for somebody are volatile: the planner does not call these, so that it need not wait. The plugin asks for every
//! public server with HTTPS, and for servers of the host's own machine; one for a single service asks for that service alone.

use std::io::{BufRead, BufReader, Read};
use std::time;

use wasmfusion_udf::host::http::{self, Request};
use wasmfusion_udf::host::tcp::Stream;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["net:http:*:443", "net:http:127.0.0.1:*", "net:connect:127.0.0.1:*"],
}

const TIMEOUT: time::Duration = time::Duration::from_secs(3);
/// Most bytes of a banner.
const BANNER_MAX: u64 = 4 << 10;

/// What is at a URL. An answer without success, such as 404, ends the query.
#[udf(volatility = "volatile")]
pub fn http_get(url: &str) -> Result<String, Error> {
    Ok(http::get(url)?.success()?.into_text()?)
}

/// The status of the answer at a URL, such as 200.
#[udf(volatility = "volatile")]
pub fn http_status(url: &str) -> Result<i32, Error> {
    Ok(http::get(url)?.status.into())
}

/// What a server answers to a JSON document that is sent to a URL. An answer without success, such as 404, ends the query.
#[udf(volatility = "volatile")]
pub fn http_post_json(url: &str, body: &str) -> Result<String, Error> {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(body)
        .timeout(TIMEOUT);
    Ok(request.send()?.success()?.into_text()?)
}

/// The first line that a server sends when somebody connects. NULL if it sends none.
#[udf(volatility = "volatile")]
pub fn tcp_banner(host: &str, port: i32) -> Result<Option<String>, Error> {
    let port = u16::try_from(port).map_err(|_| Error::new("a port is 1 to 65535"))?;
    let stream = Stream::connect((host, port), TIMEOUT)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(BANNER_MAX)).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_end();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::host::http::Response;
    use wasmfusion_udf::testing::{self, call};

    #[test]
    fn gets_and_posts() {
        let host = testing::host().http(|request| {
            let found = request.url.ends_with("/found");
            Ok(Response {
                status: if found { 200 } else { 404 },
                headers: Vec::new(),
                body: [request.method.as_bytes(), b" ", &request.body].concat(),
            })
        });
        assert_eq!(
            call!(http_get).column(["http://a/found"]).run(),
            Ok(vec!["GET ".to_owned()])
        );
        let missing = call!(http_get).column(["http://a/missing"]).run::<String>();
        assert_eq!(
            missing,
            Err("the server answered with status 404: GET".to_owned())
        );
        assert_eq!(
            call!(http_status).column(["http://a/missing"]).run(),
            Ok(vec![404])
        );
        let posted = call!(http_post_json)
            .constant("http://a/found")
            .column(["{}"])
            .run();
        assert_eq!(posted, Ok(vec!["POST {}".to_owned()]));
        let sent = host.requests();
        assert_eq!(sent[3].headers[0].1, "application/json");
        assert_eq!(sent[3].timeout, TIMEOUT);
    }

    #[test]
    fn reads_banners() {
        let _host = testing::host()
            .connection(
                "mail.example.com",
                25,
                "220 mail.example.com ESMTP\r\n250 more",
            )
            .connection("quiet.example.com", 25, "");
        let run = call!(tcp_banner)
            .column(["mail.example.com", "quiet.example.com"])
            .constant(25)
            .run();
        assert_eq!(
            run,
            Ok(vec![Some("220 mail.example.com ESMTP".to_owned()), None])
        );
        assert!(tcp_banner("mail.example.com", -1).is_err());
        assert!(tcp_banner("mail.example.com", 26).is_err());
    }
}
