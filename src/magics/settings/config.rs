//! `%config`: values that hold until they are changed.

use crate::launch::snapshot::Snapshot;
use crate::magics::declare::kinds::{Placed, Text};
use crate::magics::declare::{Argument, Candidates, Extent, Input, Takes, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Document, Output, Table, bytes_text};
use crate::workspace::{Context, Workspace};
use warpbook_device::cuda::default_budget;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `%config [NAME [VALUE]]`
pub struct Config;

/// One value: its name, what it is, and the form that it takes.
struct Setting {
    name: &'static str,
    meaning: &'static str,
    form: &'static str,
    show: fn(&Workspace) -> String,
    /// Sets it; false if the text is not a value of it.
    set: fn(&mut Workspace, &str) -> bool,
}

/// `on` and `off`, or another pair.
fn either(text: &str, [no, yes]: [&str; 2]) -> Option<bool> {
    if text == yes { Some(true) } else { (text == no).then_some(false) }
}

const SETTINGS: [Setting; 3] = [
    Setting {
        name: "snapshots",
        meaning: "host memory for copies of buffers, from which a failed launch is undone",
        form: "a size such as 8 GiB, 512 MiB or 0, or `default`, a quarter of the host's memory",
        show: |workspace| size_text(workspace.budget()),
        set: |workspace, text| {
            let bytes = if text == "default" { Some(default_budget()) } else { size(text) };
            bytes.inspect(|&bytes| workspace.set_budget(bytes)).is_some()
        },
    },
    Setting {
        name: "arithmetic",
        meaning: "the arithmetic of the emulator's tensor cores",
        form: "`exact`, the arithmetic of the emulated GPU, or `fast`, the host's f32, which has other bits",
        show: |workspace| if workspace.is_fast() { "fast" } else { "exact" }.to_owned(),
        set: |workspace, text| either(text, ["exact", "fast"]).inspect(|&fast| workspace.set_fast(fast)).is_some(),
    },
    Setting {
        name: "counters",
        meaning: "count sectors, conflicts and divergence of each launch on the emulator",
        form: "`on` or `off`; `%counters` counts in either case",
        show: |workspace| if workspace.counts { "on" } else { "off" }.to_owned(),
        set: |workspace, text| either(text, ["off", "on"]).inspect(|&counts| workspace.counts = counts).is_some(),
    },
];

const NAME: Argument<Text> = Argument::optional(
    "NAME",
    Text {
        names: |_| SETTINGS.map(|setting| setting.name.to_owned()).to_vec(),
        ..Text::new("NAME", "the name of a setting")
    },
    "the setting; without it, all are shown",
);
const VALUE: Argument<SettingValue> =
    Argument::optional("VALUE", SettingValue, "its new value; without it, the setting is shown");

const SPEC: Spec = Spec {
    name: "config",
    kind: Kind::Line,
    summary: "show or change a setting",
    arguments: &[&NAME, &VALUE],
    options: &[],
    details: "`snapshots` is how much host memory copies of buffers may take. A launch that fails, or a GPU that is lost \
              with it, gives every buffer back what it held before: from its copy, or, where there was no room for one, by \
              making it again (its initialiser, its file, the launches that wrote it, if the result is the same as before \
              to the bit). What cannot be given back is named.\n\
              `arithmetic` is `exact` or `fast`: `fast` computes the tensor cores of the emulator in the host's f32 \
              arithmetic, which has other bits than a GPU; the device's name says so in every launch \
              (`emu:sm_90:fast`).\n\
              `counters` is `on` or `off`: `off` leaves out the line of counters of launches on the emulator, which makes \
              them a little faster.",
    examples: &[
        Example { cell: "%config", needs: Needs::Nothing, shows: "snapshots" },
        Example { cell: "%config snapshots 8 GiB", needs: Needs::Nothing, shows: "snapshots = 8 GiB" },
        Example { cell: "%config counters off", needs: Needs::Nothing, shows: "counters = off" },
    ],
};

/// The value of a setting: all words behind its name, `8 GiB`. The setting says which texts are values of it.
#[derive(Clone, Copy, Debug)]
struct SettingValue;

impl Takes for SettingValue {
    type Value = Placed<String>;

    fn placeholder(&self) -> String {
        "VALUE".to_owned()
    }

    fn expected(&self) -> String {
        "a value of the setting".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Placed<String>> {
        Ok(Placed { value: input.text.to_owned(), span: input.span.clone() })
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, ["default", "exact", "fast", "on", "off"])
    }
}

impl Magic for Config {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let Some(Placed { value: name, span }) = typed.get(&NAME) else {
            let rows = SETTINGS.iter().map(|one| [one.name.into(), (one.show)(workspace), one.meaning.to_owned()]);
            let table = Table::from_titles(["name", "value", "meaning"]).rows(rows);
            return Ok(Some(Document::default().with(table).output()));
        };
        // `name=value` is as good as `name value`.
        let (name, inline) = name.split_once('=').map_or((name.as_str(), None), |(name, value)| (name, Some(value)));
        let value = typed.get(&VALUE).map(|value| value.value.as_str()).or(inline);
        let value = value.map(|value| value.trim_start_matches('=').trim()).filter(|value| !value.is_empty());
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let error = Diagnostic::error("unknown-setting", format!("there is no setting `{name}`"));
            let error = error.at(span.clone(), "");
            return Err(match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`%config` lists the settings"),
            });
        };
        if let Some(value) = value {
            if !(setting.set)(workspace, value) {
                let error = Diagnostic::error("setting-value", format!("`{value}` is not a value of `{name}`"));
                let place = typed.span(&VALUE).unwrap_or(span.clone());
                return Err(error.at(place, "").help(format!("it takes {}", setting.form)));
            }
            // Digests of what no copy is kept of from now on are taken while it is known.
            Snapshot::take(workspace)?;
        }
        Ok(Some(Output::text(format!("{name} = {}", (setting.show)(workspace)))))
    }
}

/// `8 GiB`, `5.9 GiB`, `512 MiB`.
fn size_text(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    match bytes {
        _ if bytes < 1 << 30 => bytes_text(bytes),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ => format!("{gibibytes:.1} GiB"),
    }
}

/// A size in bytes: `8 GiB`, `512MiB`, `1.5 GB`, `0`. As memory is counted, a GB is a GiB.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_'))).unwrap_or(text.len());
    let number: f64 = text[..digits].replace('_', "").parse().ok()?;
    let shift = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * f64::from(1 << 20) * f64::powi(2.0, shift - 20);
    (bytes.is_finite() && bytes < 1e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::{size, size_text};

    #[test]
    fn sizes_have_units() {
        let sizes =
            [("0", 0), ("8 GiB", 8 << 30), ("512MiB", 512 << 20), ("1.5k", 1536), ("1_000", 1000), ("2tb", 2 << 40)];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "GiB", "8 GiB of", "-1", "1e3", "9999999 TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
        let texts = [0, 512 << 20, 8 << 30, 6_319_128_576].map(size_text);
        assert_eq!(texts, ["0 B", "512 MiB", "8 GiB", "5.9 GiB"]);
    }
}
