//! Which line of the reader's own text an instruction of the PTX comes from.

use std::sync::Arc;

use crate::launch::plan::LaunchPlan;
use crate::workspace::Workspace;
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::emulation::Line;

/// A line of a source text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The file as debug information names it; `None` for the kernel's own text.
    pub file: Option<String>,
    /// Number of the line, from 1.
    pub line: u32,
}

/// The texts that instructions come from.
pub struct Texts {
    /// The stage that entered the compiler.
    pub entered: Stage,
    /// How debug information names that text: `matmul.py`.
    pub path: String,
    own: Arc<str>,
    /// The PTX that ran; `None` if the version has none.
    pub ptx: Option<Arc<str>>,
    /// Paths and texts of cells that define what the kernel uses.
    others: Vec<(String, Arc<str>)>,
}

impl Texts {
    /// Those of a kernel. `lines` are what is to be placed.
    pub fn new<'a>(plan: &LaunchPlan, workspace: &Workspace, lines: impl Iterator<Item = &'a Line>) -> Self {
        let own = plan.text.clone();
        let mut others: Vec<(String, Arc<str>)> = Vec::new();
        for place in lines.flat_map(|line| &line.places) {
            if place.path != own.name
                && others.iter().all(|(path, _)| *path != place.path)
                && let Some(text) = workspace.definitions.text(&place.path)
            {
                others.push((place.path.clone(), text));
            }
        }
        let ptx = plan.version.artifact(Stage::Ptx).and_then(Artifact::text).map(Arc::from);
        Self { entered: plan.version.entered, path: own.name, own: own.text, ptx, others }
    }

    /// True if the reader wrote PTX, so that there are no other lines.
    pub fn is_ptx(&self) -> bool {
        matches!(self.entered, Stage::Ptx | Stage::Cubin)
    }

    /// The line of the reader's text that an instruction comes from: of the kernel if it leads there, or else of
    /// another cell, or else what debug information says.
    pub fn spot(&self, line: &Line) -> Option<Spot> {
        if self.is_ptx() {
            return Some(Spot { file: None, line: line.ptx });
        }
        let places = || line.places.iter().filter(|place| place.line > 0);
        if let Some(own) = places().find(|place| place.path == self.path) {
            return Some(Spot { file: None, line: own.line });
        }
        let known = places().find(|place| self.others.iter().any(|(path, _)| *path == place.path));
        let place = known.or_else(|| places().next())?;
        Some(Spot { file: Some(place.path.clone()), line: place.line })
    }

    /// `14`, `helpers.py:3`
    pub fn name(&self, spot: &Spot) -> String {
        match &spot.file {
            None => spot.line.to_string(),
            Some(file) => format!("{}:{}", file.rsplit('/').next().unwrap_or(file), spot.line),
        }
    }

    /// The text of that line; empty if the file is not known.
    pub fn text(&self, spot: &Spot) -> &str {
        let text = match &spot.file {
            None if self.is_ptx() => self.ptx.as_ref(),
            None => Some(&self.own),
            Some(file) => self.others.iter().find(|(path, _)| path == file).map(|(_, text)| text),
        };
        text.and_then(|text| text.lines().nth(spot.line as usize - 1)).unwrap_or_default().trim()
    }

    /// The text of the kernel's own cell.
    pub fn kernel_text(&self) -> &str {
        &self.own
    }

    /// What the text is called over a column: `Triton`, `PTX`.
    pub fn title(&self) -> &'static str {
        match self.entered {
            Stage::Triton => "Triton",
            Stage::Gluon => "Gluon",
            Stage::Glir => "GLIR",
            Stage::Ttir => "TTIR",
            Stage::Ttgir => "TTGIR",
            Stage::Llir => "LLIR",
            Stage::Ptx | Stage::Cubin | Stage::Sass => "PTX",
        }
    }
}

/// The lines of PTX that a reader wants to see, with their numbers: no debug information.
pub fn ptx_lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let shown = text.lines().zip(1..).take_while(|(line, _)| !line.trim().starts_with(".section"));
    shown.map(|(line, number)| (number, line)).filter(|(_, line)| {
        let line = line.trim();
        let debug = [".loc", ".file", "$L__tmp", "$L__func_"];
        !line.is_empty() && line != "//" && !debug.iter().any(|start| line.starts_with(start))
    })
}
