//! Changing values of a scenario's text.

use toml::{Table, Value};

/// A value of a scenario that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The section, or a station of the path by its name; empty for the top level.
    pub place: String,
    /// The value's key there; `None` if the whole place is gone.
    pub key: Option<String>,
    /// What it was, as TOML; `None` if it was not set.
    pub before: Option<String>,
    /// What it is, as TOML; `None` if it is gone.
    pub after: Option<String>,
}

/// Changes a scenario. Tables are merged key by key. Of `path`, each key is the name of a station:
/// its table is merged into the station's, and `false` takes the station out of the path.
pub(super) fn apply(scenario: &mut Table, change: &Table) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    for (key, value) in change {
        match (key.as_str(), value) {
            ("path", Value::Table(stations)) => change_path(scenario, stations, &mut changes)?,
            ("path", _) => return Err("`path` is a table of stations by their names".to_owned()),
            (section, Value::Table(values)) => {
                let table = scenario.entry(key).or_insert_with(|| Value::Table(Table::new()));
                let Value::Table(table) = table else {
                    return Err(format!("`{section}` of the scenario is no table"));
                };
                merge(table, values, section, "", &mut changes);
            }
            (_, value) => set(scenario, key, value, "", "", &mut changes),
        }
    }
    Ok(changes)
}

fn change_path(
    scenario: &mut Table,
    stations: &Table,
    changes: &mut Vec<Change>,
) -> Result<(), String> {
    let path = scenario.get_mut("path").and_then(Value::as_array_mut);
    let path = path.ok_or("the scenario has no path")?;
    for (name, values) in stations {
        let index = path.iter_mut().position(|it| station(it, name).is_some());
        let index = index
            .ok_or_else(|| format!("no gateway or balancer of the path is called `{name}`"))?;
        match (values, station(&mut path[index], name)) {
            (Value::Table(values), Some(table)) => merge(table, values, name, "", changes),
            (Value::Boolean(false), _) => {
                path.remove(index);
                changes.push(Change { place: name.clone(), key: None, before: None, after: None });
            }
            _ => return Err(format!("`{name}` is a table of values, or `false` to take it out")),
        }
    }
    Ok(())
}

/// Returns the table of a gateway or balancer if that is its name.
fn station<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Table> {
    let station = value.as_table_mut()?;
    let kind = ["gateway", "balancer"].into_iter().find(|kind| station.contains_key(*kind))?;
    let table = station.get_mut(kind)?.as_table_mut()?;
    let called = table.get("name").or_else(|| table.get("profile")).and_then(Value::as_str);
    (called == Some(name)).then_some(table)
}

fn merge(into: &mut Table, values: &Table, place: &str, prefix: &str, changes: &mut Vec<Change>) {
    for (key, value) in values {
        match value {
            Value::Table(values) => {
                let table = into.entry(key).or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(table) = table {
                    merge(table, values, place, &format!("{prefix}{key}."), changes);
                } else {
                    set(into, key, value, place, prefix, changes);
                }
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => set(into, key, value, place, prefix, changes),
        }
    }
}

fn set(
    table: &mut Table,
    key: &str,
    value: &Value,
    place: &str,
    prefix: &str,
    changes: &mut Vec<Change>,
) {
    let before = table.insert(key.to_owned(), value.clone());
    changes.push(Change {
        place: place.to_owned(),
        key: Some(format!("{prefix}{key}")),
        before: before.map(|before| before.to_string()),
        after: Some(value.to_string()),
    });
}
