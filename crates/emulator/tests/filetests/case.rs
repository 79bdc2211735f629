//! A filetest: its head lines, read once.

use std::path::PathBuf;

use super::element::Element;

/// A command of a head line `test`: what is done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `emulate`: it is launched on the emulator.
    Emulate,
    /// `check`: it is launched on the emulator, which looks for races and the like.
    Check,
    /// `refused`: it is no program that the emulator takes.
    Refused,
    /// `ptxas`: NVIDIA's assembler takes it.
    Ptxas,
    /// `cuda`: it is launched on a GPU of compute capability 9.0, with the same bits.
    Cuda,
}

impl Command {
    fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "emulate" => Self::Emulate,
            "check" => Self::Check,
            "refused" => Self::Refused,
            "ptxas" => Self::Ptxas,
            "cuda" => Self::Cuda,
            _ => return Err(format!("no command `{name}`; there are: emulate, check, refused, ptxas, cuda")),
        })
    }
}

/// An argument of the kernel.
pub enum Argument {
    /// The address of a buffer, by its index.
    Buffer(usize),
    /// The bytes of a scalar.
    Scalar(Vec<u8>),
}

/// A buffer before the launch.
pub struct Buffer {
    /// Its name in `expect` lines.
    pub name: String,
    /// The type of its elements.
    pub element: Element,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// True if nothing has written it, as the checks see it.
    pub is_unwritten: bool,
}

/// A file with what its head says.
pub struct Case {
    /// Where it is.
    pub path: PathBuf,
    /// The whole text, which is PTX: head lines are comments.
    pub text: String,
    /// What is done with it.
    pub commands: Vec<Command>,
    /// Blocks of the grid.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Blocks of a cluster.
    pub cluster: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The emulated architecture: 80 for sm_80.
    pub architecture: u32,
    /// The buffers, in order.
    pub buffers: Vec<Buffer>,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
    /// Lines of what has to come out: `expect`, `print`, `error`, `without`.
    pub expected: Vec<String>,
}

impl Case {
    /// Reads the head of a file.
    pub fn parse(path: PathBuf, text: String) -> Result<Self, String> {
        let mut case = Self {
            path,
            text: String::new(),
            commands: Vec::new(),
            grid: [1; 3],
            block: [32, 1, 1],
            cluster: [1; 3],
            shared: 0,
            architecture: 80,
            buffers: Vec::new(),
            arguments: Vec::new(),
            expected: Vec::new(),
        };
        for line in text.lines().filter_map(|line| line.strip_prefix("//! ")) {
            case.read_line(line).map_err(|error| format!("{}: {error}: `{line}`", case.path.display()))?;
        }
        if case.commands.is_empty() {
            return Err(format!("{}: no line `//! test COMMAND…`", case.path.display()));
        }
        case.text = text;
        Ok(case)
    }

    fn read_line(&mut self, line: &str) -> Result<(), String> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "test" => {
                for name in rest.split_whitespace() {
                    self.commands.push(Command::named(name)?);
                }
            }
            "launch" => {
                for pair in rest.split_whitespace() {
                    self.read_extent(pair)?;
                }
            }
            "buffer" => self.read_buffer(rest)?,
            "scalar" => {
                let (element, value) = rest.split_once(' ').ok_or("`scalar TYPE VALUE` is wanted")?;
                self.arguments.push(Argument::Scalar(Element::named(element)?.bytes(value)?));
            }
            "unwritten" => {
                let buffer = self.buffers.iter_mut().find(|buffer| buffer.name == rest);
                buffer.ok_or_else(|| format!("no buffer `{rest}` above"))?.is_unwritten = true;
            }
            "expect" | "print" | "error" | "without" => self.expected.push(line.trim_end().to_owned()),
            _ => return Err(format!("no line of a head begins with `{kind}`")),
        }
        Ok(())
    }

    fn read_extent(&mut self, pair: &str) -> Result<(), String> {
        let (name, value) = pair.split_once('=').ok_or("`NAME=NUMBER` is wanted")?;
        let extents = match name {
            "grid" => Some(&mut self.grid),
            "block" => Some(&mut self.block),
            "cluster" => Some(&mut self.cluster),
            _ => None,
        };
        if let Some(extents) = extents {
            *extents = [1; 3];
            for (extent, number) in extents.iter_mut().zip(value.split(',')) {
                *extent = number.parse().map_err(|_| format!("`{value}` is no number"))?;
            }
            return Ok(());
        }
        let extent = match name {
            "shared" => &mut self.shared,
            "sm" => &mut self.architecture,
            _ => return Err(format!("no `{name}` in a launch")),
        };
        *extent = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        Ok(())
    }

    fn read_buffer(&mut self, text: &str) -> Result<(), String> {
        let wanted = "`buffer NAME TYPE[COUNT]` is wanted";
        let (head, contents) = text.split_once('=').unwrap_or((text, ""));
        let (name, shape) = head.trim().split_once(' ').ok_or(wanted)?;
        let (element, count) = shape.trim_end_matches(']').split_once('[').ok_or(wanted)?;
        let element = Element::named(element)?;
        let mut bytes = element.bytes(contents)?;
        let length = count.parse::<usize>().map_err(|_| wanted)? * element.size;
        if bytes.len() > length {
            return Err(format!("`{name}` has more values than room"));
        }
        bytes.resize(length, 0);
        self.arguments.push(Argument::Buffer(self.buffers.len()));
        self.buffers.push(Buffer { name: name.to_owned(), element, bytes, is_unwritten: false });
        Ok(())
    }

    /// True if the head names the command.
    pub fn has(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().display().to_string()
    }

    /// Writes the file with these lines as what has to come out.
    pub fn bless(&self, lines: &[String]) {
        let kinds = ["//! expect", "//! print", "//! error", "//! without"];
        let is_expectation = |line: &&str| kinds.iter().any(|kind| line.starts_with(kind));
        let kept: Vec<&str> = self.text.lines().filter(|line| !is_expectation(line)).collect();
        let (head, body) = kept.split_at(kept.iter().take_while(|line| line.starts_with("//")).count());
        let lines = lines.iter().map(|line| format!("//! {line}"));
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let text: Vec<String> = own(head).into_iter().chain(lines).chain(own(body)).collect();
        std::fs::write(&self.path, text.join("\n") + "\n").expect("the file can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(head: &str) -> String {
        Case::parse("a.ptx".into(), head.to_owned()).err().expect("it is refused")
    }

    #[test]
    fn what_no_head_has_is_refused() {
        for (head, part) in [
            ("//! test emulat", "no command `emulat`"),
            ("//! launch gird=1", "no `gird` in a launch"),
            ("//! buffer x f12[3]", "no element type `f12`"),
            ("//! buffer x u8[1] = 1 2", "more values than room"),
            ("//! unwritten x", "no buffer `x` above"),
            ("//! expects x = 1", "begins with `expects`"),
            (".version 8.0", "no line `//! test COMMAND…`"),
        ] {
            assert!(error(head).contains(part), "{head}: {}", error(head));
        }
    }
}
