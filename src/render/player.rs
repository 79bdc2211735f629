//! Steps that one goes through: a table, and with scripts a player with a slider and keys. No data but the table's own.

use maud::{Markup, html};

use super::script::script;

/// Steps that one goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Player {
    /// What the steps are of, for who does not see them.
    pub label: String,
    /// What the source is called: `Triton`.
    pub source_title: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One executed instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Number of the step among all steps of the warp, from 1.
    pub number: u32,
    /// The line of the PTX that the instruction stands in.
    pub ptx_line: u32,
    /// The text of the instruction.
    pub instruction: String,
    /// The name and the text of the source line.
    pub source: Option<(String, String)>,
    /// Lanes that have not ended, one bit each.
    pub present: u32,
    /// Lanes that take part, one bit each.
    pub active: u32,
    /// Names and values of the registers that it writes.
    pub registers: Vec<(String, String)>,
    /// What it reads and writes in memory.
    pub memory: Vec<String>,
}

const SCRIPT: &str = include_str!("scripts/player.js");

impl Player {
    /// As HTML: a table, and the controls that the script shows.
    pub fn html(&self) -> Markup {
        html! {
            div.wb-player tabindex="0" aria-label=(self.label) {
                div.wb-player-bar hidden {
                    button type="button" data-by="-1" aria-label="step back" { "◀" }
                    input.wb-player-slider type="range" min="0" max=(self.steps.len().saturating_sub(1)) value="0" aria-label="step";
                    button type="button" data-by="1" aria-label="next step" { "▶" }
                    output.wb-player-position {}
                    label { input.wb-player-all type="checkbox"; " all steps" }
                }
                div.wb-player-box tabindex="0" {
                    table.wb-player-table {
                        thead {
                            tr.wb-player-row {
                                @for title in ["step", "PTX", "instruction", "lanes", "registers after it, memory"] {
                                    th.wb-player-title scope="col" { (title) }
                                }
                            }
                        }
                        tbody { (self.rows()) }
                    }
                }
                (script(SCRIPT))
            }
        }
    }

    /// A row for each step, and over the steps of one line of the source that line.
    fn rows(&self) -> Markup {
        let before = std::iter::once(None).chain(self.steps.iter().map(|step| step.source.as_ref()));
        html! {
            @for (step, before) in self.steps.iter().zip(before) {
                @if let Some((name, text)) = step.source.as_ref().filter(|source| Some(*source) != before) {
                    tr.wb-player-row { td.wb-player-source colspan="5" { (self.source_title) " " (name) ": " (text) } }
                }
                (step.html())
            }
        }
    }
}

impl Step {
    /// The cells are styled by their position, not by a class each: there are hundreds of rows.
    fn html(&self) -> Markup {
        let (present, active) = (format!("{:x}", self.present), format!("{:x}", self.active));
        html! {
            tr.wb-player-row data-active=(active) data-present=(present) {
                td { (self.number) }
                td { (self.ptx_line) }
                td { (self.instruction) }
                td { @if self.active == u32::MAX { "all" } @else { (self.active.count_ones()) " of " (self.present.count_ones()) } }
                td {
                    @for (at, (name, values)) in self.registers.iter().enumerate() {
                        @if at > 0 { br; }
                        b { (name) } " " (values)
                    }
                    @for (at, memory) in self.memory.iter().enumerate() {
                        @if at + self.registers.len() > 0 { br; }
                        i { (memory) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_a_table_without_scripts() {
        let step = |number| Step {
            number,
            ptx_line: 40 + number,
            instruction: "add.s32 %r1, %r1, <1>".into(),
            source: Some(("3".into(), "x += 1".into())),
            present: u32::MAX,
            active: 0xf,
            registers: vec![("%r1".into(), "4·lane".into())],
            memory: vec!["reads a[0:4]".into()],
        };
        let player = Player { label: "k & co".into(), source_title: "Triton".into(), steps: vec![step(0), step(1)] };
        let html = player.html().into_string();
        assert!(html.contains("k &amp; co") && html.contains("%r1, &lt;1&gt;"));
        // The source line stands over both.
        assert_eq!(html.matches("Triton 3: x += 1").count(), 1);
        assert!(html.contains("<td>4 of 32</td><td><b>%r1</b> 4·lane<br><i>reads a[0:4]</i></td>"), "{html}");
    }

    #[test]
    fn four_hundred_steps_are_light() {
        let step = Step {
            instruction: "x".repeat(100),
            source: Some(("3".into(), "y".repeat(60))),
            registers: vec![("%r100".into(), "0x00000000 + 16·lane".into()); 4],
            memory: vec!["copies from a[0:64, 0:64]".into()],
            ..Step::default()
        };
        let player = Player { label: "k".into(), source_title: "Triton".into(), steps: vec![step; 400] };
        let html = player.html().into_string();
        assert!(html.len() < 300_000, "{} bytes", html.len());
    }
}
