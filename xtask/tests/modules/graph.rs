//! The import graph of one crate: which module imports which, its cycles and its upward imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::{CratePath, ModuleSource, read_module};

/// The top-level modules of a crate, lowest layer first. A module may import from its own layer and
/// from lower ones.
pub(crate) type Layers = &'static [&'static [&'static str]];

/// Where a module imports another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: CratePath,
    to: CratePath,
    line: usize,
}

/// The imports between the modules of one crate.
#[derive(Debug)]
pub(crate) struct ImportGraph {
    modules: BTreeSet<CratePath>,
    imports: BTreeSet<Import>,
}

impl ImportGraph {
    /// Reads a crate from its source files: their paths below `src` and their texts.
    ///
    /// # Errors
    /// When a file cannot be parsed. The message names the file.
    pub(crate) fn read(files: &[(String, String)]) -> Result<Self, String> {
        let has_library = files.iter().any(|(file, _)| file == "lib.rs");
        let mut sources = BTreeMap::new();
        for (file, text) in files {
            // A `main.rs` beside a `lib.rs` is a crate of its own, without further modules.
            if has_library && file == "main.rs" {
                continue;
            }
            let module = module_path(file);
            let source = read_module(&module, text)
                .map_err(|error| format!("cannot parse {file}: {error}"))?;
            sources.insert(module, source);
        }
        remove_test_modules(&mut sources);
        Ok(Self::new(&sources))
    }

    fn new(sources: &BTreeMap<CratePath, ModuleSource>) -> Self {
        let mut imports = BTreeSet::new();
        for (from, source) in sources {
            for (path, line) in &source.references {
                for to in imported_modules(path, sources) {
                    let import = Import {
                        from: from.clone(),
                        to,
                        line: *line,
                    };
                    imports.insert(import);
                }
            }
        }
        imports.retain(|import| import.from != import.to);
        Self {
            modules: sources.keys().cloned().collect(),
            imports,
        }
    }

    pub(crate) fn module_count(&self) -> usize {
        self.modules.len()
    }

    pub(crate) fn import_count(&self) -> usize {
        self.imports.len()
    }

    /// The import cycles, one a line. Every import that is part of a cycle is in at least one of
    /// them.
    pub(crate) fn cycles(&self) -> Vec<String> {
        let mut cycles: BTreeSet<Vec<CratePath>> = BTreeSet::new();
        for Import { from, to, .. } in &self.imports {
            if let Some(path) = self.shortest_path(to, from) {
                cycles.insert(smallest_first(path));
            }
        }
        let mut described: Vec<_> = cycles.into_iter().collect();
        described.sort_by_key(Vec::len);
        described
            .iter()
            .map(|cycle| self.describe_cycle(cycle))
            .collect()
    }

    /// The modules on the shortest way from one module to another, both included.
    fn shortest_path(&self, from: &CratePath, to: &CratePath) -> Option<Vec<CratePath>> {
        let mut seen = BTreeSet::from([from]);
        let mut queue = VecDeque::from([vec![from]]);
        while let Some(path) = queue.pop_front() {
            let last = *path.last()?;
            if last == to {
                return Some(path.into_iter().cloned().collect());
            }
            for import in self.imports.iter().filter(|import| import.from == *last) {
                if seen.insert(&import.to) {
                    queue.push_back([path.as_slice(), &[&import.to]].concat());
                }
            }
        }
        None
    }

    fn describe_cycle(&self, cycle: &[CratePath]) -> String {
        let next = cycle.iter().cycle().skip(1);
        let steps: Vec<String> = cycle
            .iter()
            .zip(next)
            .map(|(from, to)| format!("{} (line {})", module_name(from), self.first_line(from, to)))
            .collect();
        format!(
            "import cycle: {} -> {}",
            steps.join(" -> "),
            module_name(&cycle[0])
        )
    }

    fn first_line(&self, from: &CratePath, to: &CratePath) -> usize {
        let mut found = self.imports.iter();
        found
            .find(|import| import.from == *from && import.to == *to)
            .map_or(0, |import| import.line)
    }

    /// Imports from a higher layer, modules without a layer, and layers that list a module that
    /// does not exist.
    pub(crate) fn layer_violations(&self, layers: Layers) -> Vec<String> {
        let mut violations = Vec::new();
        let top_modules: BTreeSet<&String> = self
            .modules
            .iter()
            .filter_map(|path| path.first())
            .collect();
        for module in &top_modules {
            if layer_of(module, layers).is_none() {
                violations.push(format!("{module} has no layer"));
            }
        }
        for listed in layers.iter().copied().flatten() {
            if !top_modules.iter().any(|module| module == listed) {
                violations.push(format!("{listed} has a layer and does not exist"));
            }
        }
        let mut upward = BTreeMap::new();
        for import in self
            .imports
            .iter()
            .filter(|import| import.is_upward(layers))
        {
            upward
                .entry((&import.from, &import.to))
                .or_insert(import.line);
        }
        violations.extend(upward.into_iter().map(|((from, to), line)| {
            let (from, to) = (module_name(from), module_name(to));
            format!("{from} (line {line}) imports {to}, which is in a higher layer")
        }));
        violations
    }
}

impl Import {
    fn is_upward(&self, layers: Layers) -> bool {
        // The root of a crate only declares modules and re-exports their items.
        let (Some(from), Some(to)) = (self.from.first(), self.to.first()) else {
            return false;
        };
        let (from, to) = (layer_of(from, layers), layer_of(to, layers));
        from.is_some() && to.is_some() && from < to
    }
}

fn layer_of(module: &str, layers: Layers) -> Option<usize> {
    layers.iter().position(|layer| layer.contains(&module))
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`; `lib.rs` and `main.rs` are the root.
fn module_path(file: &str) -> CratePath {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    match stem {
        "lib" | "main" => CratePath::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    }
}

/// Removes the modules that exist in tests only: those declared so, and `tests` and `samples` by
/// their names.
fn remove_test_modules(sources: &mut BTreeMap<CratePath, ModuleSource>) {
    let declared: BTreeSet<CratePath> = sources
        .values()
        .flat_map(|source| source.test_modules.iter().cloned())
        .collect();
    sources.retain(|path, _| {
        let is_declared = declared.iter().any(|test| path.starts_with(test));
        let is_named = path.iter().any(|name| name == "tests" || name == "samples");
        !is_declared && !is_named
    });
}

/// The modules that a path leads to: the one that it names, and the one that defines the item if
/// the first only re-exports it.
fn imported_modules(
    path: &CratePath,
    sources: &BTreeMap<CratePath, ModuleSource>,
) -> BTreeSet<CratePath> {
    let mut found = BTreeSet::new();
    let mut current = path.clone();
    loop {
        let depth = (0..=current.len()).rfind(|depth| sources.contains_key(&current[..*depth]));
        let Some(module) = depth.map(|depth| current[..depth].to_vec()) else {
            return found;
        };
        let item = current.get(module.len());
        let origin = item.and_then(|item| sources[&module].reexports.get(item));
        let is_new = found.insert(module);
        match origin {
            Some(origin) if is_new => current.clone_from(origin),
            _ => return found,
        }
    }
}

fn smallest_first(mut cycle: Vec<CratePath>) -> Vec<CratePath> {
    let smallest = (0..cycle.len())
        .min_by_key(|at| &cycle[*at])
        .unwrap_or_default();
    cycle.rotate_left(smallest);
    cycle
}

fn module_name(module: &CratePath) -> String {
    if module.is_empty() {
        "the crate root".to_owned()
    } else {
        module.join("::")
    }
}
