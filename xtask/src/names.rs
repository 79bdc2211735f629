//! Which file defines what a path names: modules, imports, re-exports and glob imports are followed.

use std::collections::{BTreeSet, HashMap};

use syn::visit::{self, Visit};
use syn::{Item, ItemUse, UseTree, Visibility};

use crate::workspace::{FileId, Workspace, attributes, is_test_only};

/// Index of a module.
pub type ModuleId = usize;

/// How far re-exports are followed: names that import each other in a circle end here.
const MAX_DEPTH: usize = 24;

/// The modules of all crates, with what each name in them stands for.
pub struct Names {
    modules: Vec<Module>,
    /// The module of each file.
    by_file: HashMap<FileId, ModuleId>,
    /// The root module of each library.
    libraries: HashMap<String, ModuleId>,
}

struct Module {
    file: FileId,
    parent: Option<ModuleId>,
    root: ModuleId,
    names: HashMap<String, Vec<Meaning>>,
    /// Paths of `use path::*`.
    globs: Vec<Vec<String>>,
}

enum Meaning {
    /// An item that this module's file defines.
    Item,
    Module(ModuleId),
    Import(Vec<String>),
}

/// One name of a `use` declaration.
pub struct Leaf {
    /// The whole path; for a glob, that of what is opened.
    pub path: Vec<String>,
    /// The name that it gets here; none for a glob.
    pub name: Option<String>,
}

impl Names {
    /// Reads the modules of all crates.
    pub fn new(workspace: &Workspace) -> Self {
        let mut names = Self { modules: Vec::new(), by_file: HashMap::new(), libraries: HashMap::new() };
        for part in &workspace.crates {
            let root = names.add_file(workspace, part.root, None);
            if let Some(library) = &part.library {
                names.libraries.insert(library.clone(), root);
            }
        }
        names
    }

    fn add_file(&mut self, workspace: &Workspace, file: FileId, parent: Option<ModuleId>) -> ModuleId {
        let id = self.add_module(workspace, file, parent, &workspace.files[file].syntax.items);
        self.by_file.insert(file, id);
        id
    }

    fn add_module(
        &mut self,
        workspace: &Workspace,
        file: FileId,
        parent: Option<ModuleId>,
        items: &[Item],
    ) -> ModuleId {
        let id = self.modules.len();
        let root = parent.map_or(id, |parent| self.modules[parent].root);
        self.modules.push(Module { file, parent, root, names: HashMap::new(), globs: Vec::new() });
        for item in items.iter().filter(|item| !is_test_only(attributes(item))) {
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let child = match &module.content {
                    Some((_, items)) => Some(self.add_module(workspace, file, Some(id), items)),
                    None => {
                        let children = &workspace.files[file].children;
                        let child = children.iter().find(|(declared, _)| *declared == name).map(|(_, child)| *child);
                        child.map(|child| self.add_file(workspace, child, Some(id)))
                    }
                };
                self.modules[id].names.entry(name).or_default().extend(child.map(Meaning::Module));
            } else if let Some(name) = defined_name(item) {
                self.modules[id].names.entry(name).or_default().push(Meaning::Item);
            }
        }
        let mut imports = Imports::default();
        imports.visit_items(items);
        for leaf in imports.leaves {
            match leaf.name {
                Some(name) => self.modules[id].names.entry(name).or_default().push(Meaning::Import(leaf.path)),
                None => self.modules[id].globs.push(leaf.path),
            }
        }
        id
    }

    /// The module of a file.
    pub fn module_of_file(&self, file: FileId) -> Option<ModuleId> {
        self.by_file.get(&file).copied()
    }

    /// The module that stands in a module's braces under this name.
    pub fn inline_module(&self, parent: ModuleId, name: &str) -> Option<ModuleId> {
        let file = self.modules[parent].file;
        self.modules[parent].names.get(name)?.iter().find_map(|meaning| match meaning {
            Meaning::Module(module) if self.modules[*module].file == file => Some(*module),
            _ => None,
        })
    }

    /// The files that define what `path` names in `module`. Empty for names of other people's crates, for locals, and
    /// for a path that names only a module.
    pub fn resolve(&self, module: ModuleId, path: &[String]) -> BTreeSet<FileId> {
        let mut files = BTreeSet::new();
        self.follow(module, path, 0, &mut files, &mut Vec::new());
        files
    }

    fn follow(
        &self,
        module: ModuleId,
        path: &[String],
        depth: usize,
        files: &mut BTreeSet<FileId>,
        modules: &mut Vec<ModuleId>,
    ) {
        let Some((first, rest)) = path.split_first() else {
            modules.push(module);
            return;
        };
        if depth > MAX_DEPTH {
            return;
        }
        let from = match first.as_str() {
            "crate" | "$crate" => Some(self.modules[module].root),
            "self" => Some(module),
            "super" => self.modules[module].parent,
            _ => None,
        };
        if let Some(from) = from {
            return self.follow(from, rest, depth + 1, files, modules);
        }
        let found = self.follow_in(module, first, rest, depth, files, modules);
        if !found && let Some(library) = self.libraries.get(first) {
            self.follow(*library, rest, depth + 1, files, modules);
        }
    }

    /// Follows a path whose first name stands in `module` itself. True if the name is known there.
    fn follow_in(
        &self,
        module: ModuleId,
        name: &str,
        rest: &[String],
        depth: usize,
        files: &mut BTreeSet<FileId>,
        modules: &mut Vec<ModuleId>,
    ) -> bool {
        let scope = &self.modules[module];
        for meaning in scope.names.get(name).into_iter().flatten() {
            match meaning {
                Meaning::Item => {
                    files.insert(scope.file);
                }
                Meaning::Module(child) => self.follow(*child, rest, depth + 1, files, modules),
                // `use name;` and `use name::…` of a crate: the name means the crate, not the import itself.
                Meaning::Import(path) if path.first().is_some_and(|first| first == name) => {
                    if let Some(library) = self.libraries.get(name) {
                        let path = [&path[1..], rest].concat();
                        self.follow(*library, &path, depth + 1, files, modules);
                    }
                }
                Meaning::Import(path) => {
                    let path = [path.as_slice(), rest].concat();
                    self.follow(module, &path, depth + 1, files, modules);
                }
            }
        }
        if scope.names.contains_key(name) {
            return true;
        }
        for glob in &scope.globs {
            let (mut opened_items, mut opened) = (BTreeSet::new(), Vec::new());
            self.follow(module, glob, depth + 1, &mut opened_items, &mut opened);
            for inside in opened {
                if inside != module
                    && depth < MAX_DEPTH
                    && self.follow_in(inside, name, rest, depth + 1, files, modules)
                {
                    return true;
                }
            }
        }
        false
    }
}

/// The names that a `use` declaration brings in.
pub fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(tree, &mut Vec::new(), &mut found);
    found
}

fn collect(tree: &UseTree, prefix: &mut Vec<String>, found: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, prefix, found)),
        UseTree::Glob(_) => found.push(Leaf { path: prefix.clone(), name: None }),
        UseTree::Name(name) => {
            let mut path = prefix.clone();
            if name.ident != "self" {
                path.push(name.ident.to_string());
            }
            found.push(Leaf { name: path.last().cloned(), path });
        }
        UseTree::Rename(rename) => {
            let mut path = prefix.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            found.push(Leaf { path, name: Some(rename.rename.to_string()) });
        }
    }
}

/// True for `pub use` and its narrower forms.
pub fn is_reexport(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// Collects the imports of a module, with those inside its functions, but not those of modules inside it.
#[derive(Default)]
struct Imports {
    leaves: Vec<Leaf>,
}

impl Imports {
    fn visit_items(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| !is_test_only(attributes(item)) && !matches!(item, Item::Mod(_))) {
            self.visit_item(item);
        }
    }
}

impl Visit<'_> for Imports {
    fn visit_item_use(&mut self, item: &ItemUse) {
        self.leaves.extend(leaves(&item.tree));
        visit::visit_item_use(self, item);
    }
}

fn defined_name(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}
