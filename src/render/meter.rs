//! A share of a whole as a short bar.

use maud::{Markup, html};

/// A share of a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meter {
    /// What is measured, for who does not see the bar.
    pub label: &'static str,
    /// The share that is filled, from 0 to 1.
    pub share: f64,
}

impl Meter {
    /// The bar as HTML, with the share in percent beside it.
    pub fn html(&self) -> Markup {
        let percent = (self.share.clamp(0.0, 1.0) * 100.0).round();
        html! {
            svg.wb-meter role="img" width="300" height="10" viewBox="0 0 100 10" preserveAspectRatio="none" {
                title { (self.label) ": " (percent) " %" }
                rect.wb-meter-whole width="100" height="10" {}
                rect.wb-meter-share width=(percent) height="10" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_the_bar() {
        let html = |share| Meter { label: "occupancy", share }.html().into_string();
        assert!(html(0.25).contains("width=\"25\"") && html(0.25).contains("occupancy: 25 %"));
        assert!(html(7.0).contains("width=\"100\" height=\"10\"></rect></svg>"));
    }
}
