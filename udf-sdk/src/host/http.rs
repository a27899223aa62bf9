//! HTTP requests. Capability `net:http:HOST`.
//!
//! ```no_run
//! use core::time::Duration;
//! use wasmfusion_udf::host::http::{self, Request};
//!
//! let page = http::get("https://example.com/")?.success()?.into_text()?;
//! let reply = Request::post("https://example.com/api")
//!     .header("content-type", "application/json")
//!     .body(r#"{"a": 1}"#)
//!     .timeout(Duration::from_secs(2))
//!     .send()?;
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::error::{Error, ErrorKind, Result};
use super::reply::Reader;
use super::{millis, reply, sys};

/// A request in the making.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until `send`"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// Names and values of the headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Gets what is at a URL. Whatever the status, it is a response.
///
/// # Errors
///
/// If the host must not be asked, or there is no answer.
pub fn get(url: &str) -> Result<Response> {
    Request::get(url).send()
}

impl Request {
    /// A request with this method.
    pub fn new(method: &str, url: &str) -> Self {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        }
    }

    /// A request with the method `GET`.
    pub fn get(url: &str) -> Self {
        Request::new("GET", url)
    }

    /// A request with the method `POST`.
    pub fn post(url: &str) -> Self {
        Request::new("POST", url)
    }

    /// A request with the method `PUT`.
    pub fn put(url: &str) -> Self {
        Request::new("PUT", url)
    }

    /// A request with the method `DELETE`.
    pub fn delete(url: &str) -> Self {
        Request::new("DELETE", url)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets how long it may take in all. Without, and at most, it is as long as the host allows.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it, and waits for the response. Whatever the status, it is a response.
    ///
    /// # Errors
    ///
    /// If the host must not be asked, or there is no answer.
    pub fn send(&self) -> Result<Response> {
        let headers: Vec<sys::Pair> = self
            .headers
            .iter()
            .map(|(name, value)| sys::pair(name, value))
            .collect();
        let request = sys::HttpRequest {
            method: sys::slice(self.method.as_bytes()),
            url: sys::slice(self.url.as_bytes()),
            headers: headers.as_ptr(),
            header_count: headers.len(),
            body: sys::slice(&self.body),
            timeout_ms: millis(self.timeout),
        };
        // SAFETY: all that the request points to is there until the call is over, and the reply has the room that is said.
        let reply = reply::read(|out, capacity| unsafe { sys::http(&request, out, capacity) })?;
        Response::decode(&reply)
    }
}

impl Response {
    fn decode(reply: &[u8]) -> Result<Self> {
        let mut reader = Reader(reply);
        let status = reader.number()?;
        let (header_count, body_length) = (reader.number()?, reader.length()?);
        let status =
            u16::try_from(status).map_err(|_| Error::broken("the status is no HTTP status"))?;
        let mut headers = Vec::new();
        for _ in 0..header_count {
            let (name, value) = (reader.length()?, reader.length()?);
            // The value of a header can be of any bytes.
            let name = reader.take_text(name)?;
            let value = String::from_utf8_lossy(reader.take(value)?).into_owned();
            headers.push((name, value));
        }
        let body = reader.take(body_length)?.to_vec();
        reader.end()?;
        Ok(Response {
            status,
            headers,
            body,
        })
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The response, if its status is one of success, 200 to 299.
    ///
    /// # Errors
    ///
    /// [`Failed`](ErrorKind::Failed) with the status, and the beginning of the body.
    pub fn success(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        const SHOWN: usize = 200;
        let body = &self.body[..self.body.len().min(SHOWN)];
        let body = String::from_utf8_lossy(body);
        let message = format!("the server answered with status {}: {body}", self.status);
        Err(Error::new(
            ErrorKind::Failed,
            message.trim_end_matches([':', ' ']),
        ))
    }

    /// The body, which is text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.body).map_err(|_| no_text())
    }

    /// The body, which is text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn into_text(self) -> Result<String> {
        String::from_utf8(self.body).map_err(|_| no_text())
    }
}

/// For tests: a response with status 200.
impl From<&str> for Response {
    fn from(body: &str) -> Self {
        Response {
            status: 200,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }
}

#[cold]
fn no_text() -> Error {
    Error::new(ErrorKind::Invalid, "the body of the response is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn sends_and_receives() {
        let host = testing::host().http(|request| {
            assert_eq!(request.timeout, Duration::from_millis(1500));
            Ok(Response {
                status: 201,
                headers: [("X-Method".into(), request.method.clone())].into(),
                body: request.body.repeat(200),
            })
        });
        let response = Request::post("https://example.com/a")
            .header("Accept", "text/plain")
            .body("body")
            .timeout(Duration::from_millis(1500))
            .send()
            .expect("there is an answer");
        assert_eq!((response.status, response.body.len()), (201, 800));
        assert_eq!(response.header("x-method"), Some("POST"));
        assert_eq!(response.header("other"), None);
        let sent = &host.requests()[0];
        assert_eq!(sent.url, "https://example.com/a");
        assert_eq!(
            sent.headers,
            [("Accept".to_string(), "text/plain".to_string())]
        );
    }

    #[test]
    fn tells_success_from_failure() {
        let host = testing::host().http(|request| {
            let (status, body): (_, &[u8]) = match request.url.as_str() {
                "http://a/" => (200, b"fine"),
                "http://b/" => (404, b"no such page"),
                "http://c/" => (500, b""),
                "http://d/" => (200, b"\xff"),
                _ => return Err(Error::new(ErrorKind::Timeout, "no answer in time")),
            };
            Ok(Response {
                status,
                headers: Vec::new(),
                body: body.to_vec(),
            })
        });
        let text = |url| get(url)?.success()?.into_text();
        assert_eq!(text("http://a/").as_deref(), Ok("fine"));
        let message = |url| {
            text(url)
                .map_err(|error| error.to_string())
                .unwrap_or_else(|error| error)
        };
        assert_eq!(
            message("http://b/"),
            "the server answered with status 404: no such page"
        );
        assert_eq!(message("http://c/"), "the server answered with status 500");
        assert!(message("http://d/").contains("not UTF-8"));
        assert_eq!(message("http://e/"), "no answer in time");
        drop(host);
        let _host = testing::host();
        assert!(get("http://a/").is_err());
    }

    #[test]
    fn refuses_broken_replies() {
        for (status, headers, body, rest) in [
            (70_000u32, 0u32, 0u32, &b""[..]),
            (200, 1, 0, b""),
            (200, 0, 5, b"abcd"),
            (200, 0, 0, b"a"),
            (200, u32::MAX, 0, &[0; 16]),
            (200, 1, 0, &[255; 12]),
        ] {
            let numbers = [status, headers, body].map(u32::to_le_bytes).concat();
            assert!(Response::decode(&[&numbers, rest].concat()).is_err());
        }
        assert!(Response::decode(&[200, 0, 0]).is_err());
    }
}
