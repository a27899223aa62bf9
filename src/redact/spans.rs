//! The parts of a text that are taken out.

use std::borrow::Cow;
use std::ops::Range;

/// Parts of a text, in any order, which may overlap.
#[derive(Default)]
pub(super) struct Spans(Vec<Range<usize>>);

impl Spans {
    /// Adds a part. Those that touch the last one become one with it, so that a value that repeats itself does not fill the memory.
    pub(super) fn push(&mut self, span: Range<usize>) {
        if span.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if span.start <= last.end && last.start <= span.end => {
                last.start = last.start.min(span.start);
                last.end = last.end.max(span.end);
            }
            _ => self.0.push(span),
        }
    }

    /// The text with something else in the place of these parts; parts that touch are one.
    pub(super) fn replace<'a>(mut self, text: &'a str, by: &str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        self.0.sort_unstable_by_key(|span| span.start);
        let mut replaced = String::with_capacity(text.len());
        let mut kept_from = 0;
        let mut spans = self.0.into_iter().peekable();
        while let Some(Range { start, mut end }) = spans.next() {
            while let Some(next) = spans.next_if(|next| next.start <= end) {
                end = end.max(next.end);
            }
            // Whole characters: what is half a secret is one.
            let (start, end) = (
                text.floor_char_boundary(start),
                text.ceil_char_boundary(end),
            );
            replaced.push_str(text.get(kept_from..start).unwrap_or_default());
            replaced.push_str(by);
            kept_from = end;
        }
        replaced.push_str(text.get(kept_from..).unwrap_or_default());
        Cow::Owned(replaced)
    }
}
