//! Plots of measured times, as SVG that reads on a light and on a dark page (no background, mid-grey axes).

use std::time::Duration;

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

/// A plot that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    svg: String,
}

impl Plot {
    /// The distribution of repeated launches: a histogram in time, the median marked.
    /// `title` says what one should see. Empty samples give `None`.
    pub fn latency_histogram(title: &str, samples: &[Duration]) -> Option<Self> {
        latency_histogram(title, samples).map(|svg| Self { svg })
    }

    /// As an image of its own.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// As HTML. The plotting library escapes its texts itself.
    pub fn html(&self) -> Markup {
        html! { (PreEscaped(&self.svg)) }
    }
}

const AXIS: RGBColor = RGBColor(128, 128, 128);
const BAR: RGBColor = RGBColor(66, 133, 214);
const MEDIAN: RGBColor = RGBColor(222, 110, 38);
const SIZE: (u32, u32) = (560, 240);

/// A unit of time that keeps the number between 1 and 1000, and its length in seconds.
pub fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        s if s < 1e-6 => ("ns", 1e-9),
        s if s < 1e-3 => ("µs", 1e-6),
        s if s < 1.0 => ("ms", 1e-3),
        _ => ("s", 1.0),
    }
}

/// A duration with three significant digits: `41.2 µs`.
pub fn time_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (unit, length) = time_unit(seconds);
    let value = seconds / length;
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// The distribution of repeated launches: a histogram in time, the median marked.
/// `title` says what one should see. Empty samples give `None`.
pub fn latency_histogram(title: &str, samples: &[Duration]) -> Option<String> {
    let mut seconds: Vec<f64> = samples.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    let (low, high) = (*seconds.first()?, *seconds.last()?);
    let median = seconds[seconds.len() / 2];
    let (unit, length) = time_unit(median);
    let bins = (seconds.len() as f64).sqrt().ceil().clamp(5.0, 40.0) as usize;
    let width = ((high - low) / bins as f64).max(median * 1e-3).max(1e-12);
    let mut counts = vec![0u32; bins];
    for s in &seconds {
        let bin = (((s - low) / width) as usize).min(bins - 1);
        counts[bin] += 1;
    }
    let top = counts.iter().copied().max().unwrap_or(1);
    let mut svg = String::new();
    let drawn = draw(
        &mut svg,
        title,
        unit,
        &counts.iter().enumerate().map(|(i, &n)| ((low + i as f64 * width) / length, n)).collect::<Vec<_>>(),
        width / length,
        top,
        median / length,
    );
    drawn.ok().map(|()| svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    unit: &str,
    bars: &[(f64, u32)],
    width: f64,
    top: u32,
    median: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(()) };
    let x = (first.0 - width / 2.0)..(last.0 + width * 1.5);
    let y_top = f64::from(top) * 1.1;
    let font = |size: u32| ("sans-serif", size).into_font().color(&AXIS);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, font(15))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(x, 0f64..y_top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(AXIS.mix(0.25))
        .axis_style(AXIS)
        .label_style(font(12))
        .axis_desc_style(font(13))
        .x_desc(format!("time of one launch [{unit}]"))
        .y_desc("launches")
        // Launches are counted in whole numbers.
        .y_label_formatter(&|count| if count.fract() == 0.0 { format!("{count:.0}") } else { String::new() })
        .draw()?;
    chart.draw_series(bars.iter().filter(|(_, count)| *count > 0).map(|&(start, count)| {
        Rectangle::new([(start, 0.0), (start + width, f64::from(count))], BAR.mix(0.8).filled())
    }))?;
    chart.draw_series(LineSeries::new([(median, 0.0), (median, y_top)], MEDIAN.stroke_width(2)))?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits() {
        let texts = [41_234u64, 1_500_000, 999, 2_000_000_000].map(|ns| time_text(Duration::from_nanos(ns)));
        assert_eq!(texts, ["41.2 µs", "1.50 ms", "999 ns", "2.00 s"]);
    }

    #[test]
    fn a_histogram_has_title_axes_and_units() {
        let samples: Vec<Duration> = (0..50).map(|i| Duration::from_micros(1000 + i * 3)).collect();
        let svg = latency_histogram("add: median 1.07 ms", &samples).expect("samples");
        assert!(
            svg.contains("add: median 1.07 ms") && svg.contains("time of one launch [ms]") && svg.contains("launches")
        );
        assert_eq!(latency_histogram("none", &[]), None);
    }

    #[test]
    fn one_sample_is_drawn_too() {
        assert!(latency_histogram("one", &[Duration::from_millis(2)]).is_some());
    }
}
