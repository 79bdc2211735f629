//! The Rust files of the workspace, parsed: those of `src/` and of `crates/*/src`, without modules of tests.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod, Meta};

/// Index of a file in [`Workspace::files`].
pub type FileId = usize;

/// All parsed files, and where each crate begins.
pub struct Workspace {
    /// The files, in the order in which `mod` declarations name them.
    pub files: Vec<File>,
    /// Libraries and programs.
    pub crates: Vec<Crate>,
}

/// A library or a program.
pub struct Crate {
    /// The name by which other crates import it; none for a program.
    pub library: Option<String>,
    /// `lib.rs`, `main.rs` or a file of `bin/`.
    pub root: FileId,
}

/// A source file.
pub struct File {
    /// The path from the root of the repository, with `/`.
    pub path: String,
    /// What it contains.
    pub text: String,
    /// What it contains, parsed.
    pub syntax: syn::File,
    /// Files of the modules that it declares with `mod name;`, by name.
    pub children: Vec<(String, FileId)>,
}

impl Workspace {
    /// Reads the packages of the repository: the one at its root and those in `crates/`.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut workspace = Self { files: Vec::new(), crates: Vec::new() };
        let mut packages = vec![root.to_owned()];
        if root.join("crates").is_dir() {
            packages.extend(entries(&root.join("crates"))?.into_iter().filter(|path| path.is_dir()));
        }
        for package in packages {
            let manifest = read(&package.join("Cargo.toml"))?;
            let name = package_name(&manifest).ok_or_else(|| format!("{}: no package name", package.display()))?;
            let source = package.join("src");
            let mut roots = vec![(source.join("lib.rs"), Some(name.replace('-', "_"))), (source.join("main.rs"), None)];
            if source.join("bin").is_dir() {
                roots.extend(entries(&source.join("bin"))?.into_iter().map(|path| (path, None)));
            }
            for (path, library) in roots.into_iter().filter(|(path, _)| path.is_file()) {
                let file = workspace.add(root, &path, true)?;
                workspace.crates.push(Crate { library, root: file });
            }
        }
        Ok(workspace)
    }

    /// Adds a file and the files of its modules. `owns_folder` is true for `mod.rs` and the roots of crates, whose
    /// modules stand beside them.
    fn add(&mut self, root: &Path, path: &Path, owns_folder: bool) -> Result<FileId, String> {
        let text = read(path)?;
        let syntax = syn::parse_file(&text).map_err(|error| {
            let at = error.span().start();
            format!("{}:{}:{}: {error}", path.display(), at.line, at.column + 1)
        })?;
        let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let id = self.files.len();
        self.files.push(File { path: relative, text, syntax, children: Vec::new() });

        let folder =
            if owns_folder { path.parent().map(PathBuf::from).unwrap_or_default() } else { path.with_extension("") };
        for name in declared_modules(&self.files[id].syntax.items) {
            let flat = folder.join(format!("{name}.rs"));
            let child = if flat.is_file() {
                self.add(root, &flat, false)?
            } else {
                self.add(root, &folder.join(&name).join("mod.rs"), true)?
            };
            self.files[id].children.push((name, child));
        }
        Ok(id)
    }

    /// The path of a file.
    pub fn path(&self, file: FileId) -> &str {
        &self.files[file].path
    }
}

/// True for an item that only tests see: `#[cfg(test)]`, `#[test]`.
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::NameValue(_) => false,
    })
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Names of the modules that are declared without a body, but for those of tests.
fn declared_modules(items: &[Item]) -> Vec<String> {
    let declared = |item: &Item| match item {
        Item::Mod(ItemMod { attrs, ident, content: None, .. }) if !is_test_only(attrs) => Some(ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(declared).collect()
}

fn package_name(manifest: &str) -> Option<&str> {
    let package = manifest.split_once("[package]")?.1;
    package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a directory contains, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let listed = fs::read_dir(directory).map_err(failed)?;
    let mut paths = listed.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, String>>()?;
    paths.sort();
    Ok(paths)
}
