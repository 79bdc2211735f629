//! Steps that one goes through: a table, and with scripts a player with a slider and keys. No data but the table's own.

use std::fmt::Write;

use super::escape_html;

/// One step.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// Where the instruction stands.
    pub ptx_line: u32,
    /// Its text.
    pub instruction: String,
    /// The name and the text of the source line.
    pub source: Option<(String, String)>,
    /// Lanes that are there, and those that take part.
    pub present: u32,
    /// See `present`.
    pub active: u32,
    /// Names and values of the registers that it writes.
    pub registers: Vec<(String, String)>,
    /// What it reads and writes in memory.
    pub memory: Vec<String>,
}

const STYLE: &str = include_str!("player.css");
const SCRIPT: &str = include_str!("player.js");

/// The player.
pub fn html(title: &str, source_title: &str, steps: &[Step]) -> String {
    let mut html = format!(
        "<div class=\"wb-player\" tabindex=\"0\" aria-label=\"{0}\"><style>{STYLE}</style><b>{0}</b>\
         <div class=\"wb-player-bar\" hidden><button type=\"button\" data-by=\"-1\" aria-label=\"step back\">◀</button>\
         <input type=\"range\" min=\"0\" max=\"{1}\" value=\"0\" aria-label=\"step\">\
         <button type=\"button\" data-by=\"1\" aria-label=\"next step\">▶</button> <output></output>\
         <label><input type=\"checkbox\"> all steps</label></div>\
         <div class=\"wb-player-steps\" tabindex=\"0\"><table><tr><th>step<th>PTX<th>instruction<th>lanes<th>registers after it, memory",
        escape_html(title),
        steps.len().saturating_sub(1)
    );
    let mut source: Option<&(String, String)> = None;
    for step in steps {
        if step.source.as_ref() != source
            && let Some((name, text)) = &step.source
        {
            let _ = write!(
                html,
                "<tr class=\"s\"><td colspan=\"5\">{source_title} {}: {}",
                escape_html(name),
                escape_html(text)
            );
        }
        source = step.source.as_ref();
        let _ = write!(
            html,
            "<tr data-a=\"{:x}\" data-p=\"{:x}\"><td>{}<td>{}<td>{}<td>{}<td>",
            step.active,
            step.present,
            step.number,
            step.ptx_line,
            escape_html(&step.instruction),
            match (step.active, step.active.count_ones()) {
                (u32::MAX, _) => "all".to_owned(),
                (_, count) => format!("{count} of {}", step.present.count_ones()),
            }
        );
        let mut first = true;
        let mut part = |text: String| {
            if !std::mem::take(&mut first) {
                html.push_str("<br>");
            }
            html.push_str(&text);
        };
        for (name, values) in &step.registers {
            part(format!("<b>{}</b> {}", escape_html(name), escape_html(values)));
        }
        for memory in &step.memory {
            part(format!("<i>{}</i>", escape_html(memory)));
        }
    }
    let _ = write!(html, "</table></div><script>{SCRIPT}</script></div>");
    html
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
        let html = html("k & co", "Triton", &[step(0), step(1)]);
        assert!(html.contains("k &amp; co") && html.contains("%r1, &lt;1&gt;"));
        // The source line stands over both.
        assert_eq!(html.matches("Triton 3: x += 1").count(), 1);
        assert!(html.contains("<td>4 of 32<td><b>%r1</b> 4·lane<br><i>reads a[0:4]</i>"), "{html}");
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
        let html = html("k", "Triton", &vec![step; 400]);
        assert!(html.len() < 300_000, "{} bytes", html.len());
    }
}
