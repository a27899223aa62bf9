//! Where a redirect leads, and what goes along.

use ureq::http::header::{self, HeaderName, HeaderValue};
use ureq::http::{Method, Response, StatusCode};

use super::request::{Prepared, check_url};
use crate::host::error::{HostError, Status};
use crate::host::net::shown;

/// Headers that go along to another host. Any other may tell who somebody is, `X-Api-Key` for example, and is for the host alone that the
/// guest sent it to.
const FOR_EVERY_HOST: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::RANGE,
    header::USER_AGENT,
];

/// Headers about a body, which go with it.
const ABOUT_BODY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
];

/// Where a reply redirects to, if it does.
pub(super) fn location<T>(response: &Response<T>) -> Option<&HeaderValue> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(header::LOCATION);
    location.filter(|_| redirects)
}

impl Prepared<'_> {
    /// Makes it the request that follows a redirect, as browsers do: the method becomes `GET` after a 303, and after a 301 and 302 if it was
    /// `POST`. Nobody has checked yet whether the plugin may go there.
    ///
    /// # Errors
    ///
    /// The redirect leads to nothing that can be requested, or from https to http.
    pub(super) fn redirect(
        &mut self,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<(), HostError> {
        let refused = |status: Status, why: &str| {
            let from = shown(self.url.host_str().unwrap_or_default());
            let to = shown(String::from_utf8_lossy(location.as_bytes()));
            HostError::new(status, format!("{from} redirects to \"{to}\", {why}"))
        };
        let text = str::from_utf8(location.as_bytes())
            .map_err(|_| refused(Status::Failed, "which is not a URL"))?;
        let url = self
            .url
            .join(text)
            .map_err(|_| refused(Status::Failed, "which is not a URL"))?;
        let url = check_url(url).map_err(|e| refused(Status::Failed, e.message()))?;
        if self.url.scheme() == "https" && url.scheme() != "https" {
            let why = "which is not encrypted; ask for that URL itself if you want to";
            return Err(refused(Status::Denied, why));
        }

        let becomes_get = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => !matches!(self.method, Method::GET | Method::HEAD),
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = &[];
            ABOUT_BODY.iter().for_each(|name| {
                self.headers.remove(name);
            });
        }
        if self.url.origin() != url.origin() {
            let names: Vec<HeaderName> = self.headers.keys().cloned().collect();
            let names = names.iter().filter(|name| !FOR_EVERY_HOST.contains(name));
            names.for_each(|name| {
                self.headers.remove(name);
            });
        }
        self.url = url;
        Ok(())
    }
}
