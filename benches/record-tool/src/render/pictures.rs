//! The pictures of curves: SVG on white, which can be read in GitHub's light and dark mode.

use std::fmt::Display;

use plotters::coord::CoordTranslate;
use plotters::prelude::*;

use super::Output;
use super::axis::Axis;
use crate::Result;
use crate::figures::{Curve, Figures, Series};
use crate::record::{Record, X};

const WIDTH: u32 = 800;
const HEIGHT: u32 = 480;
/// Height of the title, and of a line of the legend with so many series.
const TITLE: u32 = 42;
const LINE: u32 = 22;
const SERIES_OF_LINE: usize = 4;
const FONT: &str = "sans-serif";

/// Corners of a mark, around its point.
type Mark = [(i32, i32)];

/// What points are drawn as, one for each series of a picture: colours alone are not for everybody.
const MARKS: [&Mark; 6] = [
    // Nearly a circle.
    &[
        (-2, -4),
        (2, -4),
        (4, -2),
        (4, 2),
        (2, 4),
        (-2, 4),
        (-4, 2),
        (-4, -2),
    ],
    &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
    &[(0, -5), (5, 4), (-5, 4)],
    &[(0, -6), (6, 0), (0, 6), (-6, 0)],
    &[(0, 5), (5, -4), (-5, -4)],
    &[
        (-5, -3),
        (-3, -5),
        (0, -2),
        (3, -5),
        (5, -3),
        (2, 0),
        (5, 3),
        (3, 5),
        (0, 2),
        (-3, 5),
        (-5, 3),
        (-2, 0),
    ],
];

/// A series that was measured, with its points.
struct Line<'a> {
    series: &'a Series,
    mark: &'static Mark,
    points: Vec<(f64, f64)>,
}

/// The pictures of all curves, without text for those that are not measured.
///
/// # Errors
///
/// If the colour of a series is none.
pub fn all(figures: &Figures, record: &Record) -> Result<Vec<Output>> {
    let picture = |curve: &Curve| {
        let file = format!("docs/performance/{}.svg", curve.name);
        let lines = lines(figures, record, curve);
        let svg = (!lines.is_empty()).then(|| draw(curve, &lines)).transpose();
        svg.map(|svg| (file, svg))
            .map_err(|error| format!("the picture of {} cannot be drawn: {error}", curve.name))
    };
    figures.curves.iter().map(picture).collect()
}

/// Whether a curve has a picture.
pub fn is_drawn(figures: &Figures, record: &Record, curve: &Curve) -> bool {
    !lines(figures, record, curve).is_empty()
}

/// What of a curve can be drawn: a logarithmic axis has no place for zero.
fn lines<'a>(figures: &'a Figures, record: &Record, curve: &Curve) -> Vec<Line<'a>> {
    let has_place = |value: f64, log: bool| !log || value > 0.0;
    let scale = curve.scale.unwrap_or(1.0);
    let shown = |x: &X, y: f64| match &curve.over {
        None => Some(y * scale),
        Some(over) => Some(y / record.points(&curve.name, over)?.get(x)? * scale),
    };
    let line = |(series, mark): (&'a Series, &&'static Mark)| {
        let points = record.points(&curve.name, &series.name)?.iter();
        let points = points
            .filter_map(|(x, y)| Some((x.0, shown(x, *y)?)))
            .filter(|(x, y)| has_place(*x, curve.x_log) && has_place(*y, curve.y_log));
        Some(Line {
            series,
            mark,
            points: points.collect(),
        })
    };
    let series = curve.series.iter().filter_map(|name| figures.series(name));
    series
        .zip(MARKS.iter().cycle())
        .filter_map(line)
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn draw(curve: &Curve, lines: &[Line]) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(text)?;
        let (head, body) =
            area.split_vertically(TITLE + LINE * lines.len().div_ceil(SERIES_OF_LINE) as u32);
        legend(&head, &curve.title, lines)?;
        let points = || lines.iter().flat_map(|line| &line.points);
        let xs = points().map(|point| point.0).collect();
        let ys = points().map(|point| point.1).collect();
        let mut chart = ChartBuilder::on(&body)
            .margin(12)
            .margin_right(28)
            .x_label_area_size(52)
            .y_label_area_size(100)
            .build_cartesian_2d(Axis::of_points(xs, curve.x_log), Axis::new(ys, curve.y_log))
            .map_err(text)?;
        chart
            .configure_mesh()
            .x_desc(&curve.x)
            .y_desc(&curve.y)
            .axis_desc_style((FONT, 18))
            .label_style((FONT, 16))
            .bold_line_style(BLACK.mix(0.12))
            .draw()
            .map_err(text)?;
        // The first one lies on top.
        for line in lines.iter().rev() {
            let color = color(line.series)?;
            chart
                .draw_series(LineSeries::new(
                    line.points.iter().copied(),
                    color.stroke_width(2),
                ))
                .map_err(text)?;
            let marks = line.points.iter().map(|point| {
                EmptyElement::at(*point) + Polygon::new(line.mark.to_vec(), color.filled())
            });
            chart.draw_series(marks).map_err(text)?;
        }
        area.present().map_err(text)?;
    }
    Ok(svg)
}

/// Title, and below it the series, where no curve runs through them.
fn legend<S>(area: &DrawingArea<SVGBackend<'_>, S>, title: &str, lines: &[Line]) -> Result<()>
where
    S: CoordTranslate<From = (i32, i32)>,
{
    let draw = |words: &str, at: (i32, i32), size: i32| {
        area.draw(&Text::new(words.to_owned(), at, (FONT, size)))
            .map_err(text)
    };
    draw(title, (20, 10), 25)?;
    let width = (WIDTH - 40) as i32 / SERIES_OF_LINE as i32;
    for (place, Line { series, mark, .. }) in lines.iter().enumerate() {
        let (line, column) = (place / SERIES_OF_LINE, place % SERIES_OF_LINE);
        let x = 20 + width * column as i32;
        let y = (TITLE + LINE * line as u32) as i32 + 10;
        let color = color(series)?;
        let stroke = PathElement::new(vec![(x, y), (x + 20, y)], color.stroke_width(2));
        area.draw(&stroke).map_err(text)?;
        let around = |(right, down): &(i32, i32)| (x + 10 + right, y + down);
        let corners: Vec<_> = mark.iter().map(around).collect();
        area.draw(&Polygon::new(corners, color.filled()))
            .map_err(text)?;
        draw(&series.label, (x + 26, y - 7), 17)?;
    }
    Ok(())
}

fn color(series: &Series) -> Result<RGBColor> {
    let byte =
        |at: usize| u8::from_str_radix(series.color.strip_prefix('#')?.get(at..at + 2)?, 16).ok();
    match (byte(0), byte(2), byte(4)) {
        (Some(red), Some(green), Some(blue)) => Ok(RGBColor(red, green, blue)),
        _ => Err(format!(
            "{:?} is no colour: write one as #rrggbb for {}",
            series.color, series.name
        )),
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Entry;

    fn given(lines: &str) -> (Figures, Record) {
        let figures = "
            [[series]]
            name = 'native'
            label = 'native Rust'
            color = '#1f77b4'
            [[curve]]
            name = 'growth/rows'
            title = 'Rows of a call'
            x = 'rows'
            y = 'time of a row, ns'
            x_log = true
            y_log = true
            text = 'the fixed cost'
            series = ['native']
        ";
        let mut entry = Entry::default();
        for line in lines.lines() {
            entry.take(line).expect("it is taken");
        }
        let record = Record {
            benches: [("growth".to_owned(), entry)].into(),
        };
        (Figures::parse(figures).expect("it can be read"), record)
    }

    #[test]
    fn a_picture_has_title_axes_series_and_ticks() {
        let (figures, record) = given(
            "point growth/rows native 0 9\npoint growth/rows native 1 245\npoint growth/rows native 8192 0.25",
        );
        let pictures = all(&figures, &record).expect("it is drawn");
        assert_eq!(pictures, all(&figures, &record).expect("it is drawn"));
        let [(file, Some(svg))] = pictures.as_slice() else {
            panic!("one picture: {pictures:?}");
        };
        assert_eq!(file, "docs/performance/growth/rows.svg");
        for word in [
            "Rows of a call",
            "time of a row, ns",
            "native Rust",
            "8,192",
            "100",
            "#1F77B4",
        ] {
            assert!(svg.contains(word), "{word}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn values_are_scaled_and_taken_over_those_of_a_series() {
        let (mut figures, record) = given(
            "point growth/rows native 1 500\npoint growth/rows native 2 4\npoint growth/rows other 1 250",
        );
        let shown = |figures: &Figures| {
            let lines = lines(figures, &record, &figures.curves[0]);
            lines
                .iter()
                .flat_map(|line| line.points.clone())
                .collect::<Vec<_>>()
        };
        figures.curves[0].scale = Some(0.5);
        assert_eq!(shown(&figures), [(1.0, 250.0), (2.0, 2.0)]);
        // Where the other series has no point, there is nothing to be over.
        figures.curves[0].over = Some("other".to_owned());
        assert_eq!(shown(&figures), [(1.0, 1.0)]);
    }

    #[test]
    fn a_single_point_is_drawn_and_no_point_is_not() {
        let (figures, record) = given("point growth/rows native 1 1");
        assert!(all(&figures, &record).expect("it is drawn")[0].1.is_some());
        let (figures, record) = given("point growth/rows native 0 1");
        assert!(
            all(&figures, &record).expect("it is not drawn")[0]
                .1
                .is_none()
        );
    }
}
