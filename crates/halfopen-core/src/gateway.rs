//! A box that translates addresses, or only watches, and forgets idle flows.

mod config;

pub use config::{
    ConfigError, Dependence, FragmentRule, Fragments, GatewayConfig, OutOfWindow, Translation,
};
