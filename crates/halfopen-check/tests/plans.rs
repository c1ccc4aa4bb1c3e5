//! Large plans of clouds that are in order give no finding, and one change of them gives one.
//!
//! They have the shapes of public reference architectures: networks over three zones, clusters,
//! databases, queues, roles and alarms, and among them what stands on a path.

#![expect(clippy::unwrap_used, reason = "what a test writes itself can be read")]

use halfopen_check::{Document, Report, check};
use serde_json::{Value, json};

fn resource(address: &str, values: Value) -> Value {
    let (kind, name) = address.split_once('.').expect("a type and a name");
    json!({
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name,
        "schema_version": 0,
        "values": values,
        "sensitive_values": {},
    })
}

/// Returns as many resources as names, all of one type.
fn each(kind: &str, names: &[&str], values: impl Fn(usize) -> Value) -> Vec<Value> {
    let of = |(index, name): (usize, &&str)| resource(&format!("{kind}.{name}"), values(index));
    names.iter().enumerate().map(of).collect()
}

fn plan(modules: Vec<(&str, Vec<Value>)>) -> String {
    let children: Vec<Value> = modules
        .into_iter()
        .map(|(name, resources)| json!({ "address": name, "resources": resources }))
        .collect();
    let plan = json!({
        "format_version": "1.2",
        "terraform_version": "1.9.5",
        "variables": { "region": { "value": "eu-central-1" } },
        "planned_values": { "root_module": { "child_modules": children } },
        "configuration": { "provider_config": {} },
    });
    serde_json::to_string_pretty(&plan).unwrap()
}

const ZONES: [&str; 3] = ["a", "b", "c"];
const SERVICES: [&str; 8] =
    ["web", "api", "orders", "payment", "stock", "search", "mail", "reports"];

fn aws(idle_timeout: u32) -> String {
    let network: Vec<Value> = [
        each("aws_vpc", &["main"], |_| json!({ "cidr_block": "10.0.0.0/16" })),
        each("aws_subnet", &["public_a", "public_b", "public_c"], |at| {
            json!({ "cidr_block": format!("10.0.{at}.0/24"), "map_public_ip_on_launch": true })
        }),
        each("aws_subnet", &["private_a", "private_b", "private_c"], |at| {
            json!({ "cidr_block": format!("10.0.{}.0/24", at + 10) })
        }),
        each("aws_eip", &ZONES, |_| json!({ "domain": "vpc" })),
        each("aws_nat_gateway", &ZONES, |_| {
            json!({ "connectivity_type": "public", "secondary_allocation_ids": null })
        }),
        each("aws_route_table", &ZONES, |_| json!({ "route": [] })),
        each("aws_route_table_association", &ZONES, |_| json!({ "gateway_id": null })),
        each("aws_vpc_endpoint", &["s3", "ecr", "logs"], |_| json!({ "auto_accept": null })),
    ]
    .concat();
    let balancers: Vec<Value> = [
        each("aws_lb", &["front"], |_| {
            json!({
                "load_balancer_type": "application", "internal": false,
                "idle_timeout": idle_timeout, "client_keep_alive": 3600,
            })
        }),
        // The provider fills 60 in for a network balancer, too, which has no such timer.
        each(
            "aws_lb",
            &["broker"],
            |_| json!({ "load_balancer_type": "network", "internal": true, "idle_timeout": 60 }),
        ),
        each(
            "aws_lb_listener",
            &["https", "broker"],
            |_| json!({ "port": 443, "tcp_idle_timeout_seconds": null }),
        ),
        each(
            "aws_lb_target_group",
            &SERVICES,
            |_| json!({ "deregistration_delay": "300", "health_check": [{ "interval": 30 }] }),
        ),
        each("aws_lb_listener_rule", &SERVICES, |at| json!({ "priority": at + 1 })),
    ]
    .concat();
    let services: Vec<Value> = [
        each("aws_ecs_cluster", &["main"], |_| json!({ "name": "main" })),
        each("aws_ecs_service", &SERVICES, |_| json!({ "desired_count": 3 })),
        each("aws_ecs_task_definition", &SERVICES, |_| json!({ "cpu": "512", "memory": "1024" })),
        each("aws_iam_role", &SERVICES, |_| json!({ "max_session_duration": 3600 })),
        each(
            "aws_iam_role_policy",
            &SERVICES,
            |_| json!({ "policy": "{\"Version\":\"2012-10-17\"}" }),
        ),
        each("aws_security_group", &SERVICES, |_| json!({ "egress": [], "ingress": [] })),
        each("aws_cloudwatch_log_group", &SERVICES, |_| json!({ "retention_in_days": 30 })),
        each("aws_cloudwatch_metric_alarm", &SERVICES, |_| json!({ "period": 350 })),
        each("aws_sqs_queue", &SERVICES, |_| json!({ "visibility_timeout_seconds": 30 })),
        each("aws_lambda_function", &["thumbnail", "export"], |_| json!({ "timeout": 900 })),
        each("aws_db_instance", &["orders", "stock"], |_| json!({ "allocated_storage": 100 })),
    ]
    .concat();
    plan(vec![
        ("module.network", network),
        ("module.balancers", balancers),
        ("module.app", services),
    ])
}

fn azure(minutes: u32) -> String {
    let network: Vec<Value> = [
        each("azurerm_resource_group", &["main"], |_| json!({ "location": "westeurope" })),
        each("azurerm_virtual_network", &["hub", "spoke"], |_| json!({ "address_space": [] })),
        each("azurerm_subnet", &SERVICES, |_| json!({ "service_endpoints": null })),
        each("azurerm_network_security_group", &SERVICES, |_| json!({ "security_rule": [] })),
        each("azurerm_subnet_network_security_group_association", &SERVICES, |_| json!({})),
        each("azurerm_public_ip", &["nat", "front"], |_| json!({ "idle_timeout_in_minutes": 4 })),
        each("azurerm_nat_gateway", &["out"], |_| json!({ "idle_timeout_in_minutes": minutes })),
        each("azurerm_subnet_nat_gateway_association", &SERVICES, |_| json!({})),
        each("azurerm_lb", &["internal"], |_| json!({ "sku": "Standard" })),
        each("azurerm_lb_rule", &["amqp", "sql"], |_| {
            json!({ "idle_timeout_in_minutes": 30, "enable_tcp_reset": true, "protocol": "Tcp" })
        }),
    ]
    .concat();
    let services: Vec<Value> = [
        each("azurerm_linux_web_app", &SERVICES, |_| json!({ "https_only": true })),
        each("azurerm_service_plan", &SERVICES, |_| json!({ "sku_name": "P1v3" })),
        each("azurerm_key_vault", &SERVICES, |_| json!({ "soft_delete_retention_days": 90 })),
        each("azurerm_user_assigned_identity", &SERVICES, |_| json!({})),
        each("azurerm_role_assignment", &SERVICES, |_| json!({ "role_definition_name": "Reader" })),
        each("azurerm_storage_account", &SERVICES, |_| json!({ "min_tls_version": "TLS1_2" })),
        each(
            "azurerm_private_endpoint",
            &SERVICES,
            |_| json!({ "private_service_connection": [] }),
        ),
        each("azurerm_monitor_diagnostic_setting", &SERVICES, |_| json!({ "metric": [] })),
        each("azurerm_mssql_database", &SERVICES, |_| json!({ "max_size_gb": 250 })),
    ]
    .concat();
    plan(vec![("module.network", network), ("module.app", services)])
}

fn google(idle_secs: u32) -> String {
    let network: Vec<Value> = [
        each("google_compute_network", &["main"], |_| json!({ "auto_create_subnetworks": false })),
        each(
            "google_compute_subnetwork",
            &SERVICES,
            |_| json!({ "private_ip_google_access": true }),
        ),
        each("google_compute_router", &ZONES, |_| json!({ "bgp": [] })),
        each("google_compute_router_nat", &ZONES, |_| {
            json!({
                "tcp_established_idle_timeout_sec": idle_secs, "min_ports_per_vm": 1024,
                "enable_dynamic_port_allocation": false,
            })
        }),
        each("google_compute_firewall", &SERVICES, |_| json!({ "priority": 1000 })),
    ]
    .concat();
    let services: Vec<Value> = [
        each(
            "google_cloud_run_v2_service",
            &SERVICES,
            |_| json!({ "ingress": "INGRESS_TRAFFIC_ALL" }),
        ),
        each("google_service_account", &SERVICES, |_| json!({ "disabled": false })),
        each("google_project_iam_member", &SERVICES, |_| json!({ "role": "roles/viewer" })),
        each("google_secret_manager_secret", &SERVICES, |_| json!({ "labels": null })),
        each(
            "google_pubsub_topic",
            &SERVICES,
            |_| json!({ "message_retention_duration": "86400s" }),
        ),
        each("google_pubsub_subscription", &SERVICES, |_| json!({ "ack_deadline_seconds": 350 })),
        each("google_compute_backend_service", &SERVICES, |_| json!({ "timeout_sec": 30 })),
        each("google_compute_health_check", &SERVICES, |_| json!({ "check_interval_sec": 5 })),
        each("google_monitoring_alert_policy", &SERVICES, |_| json!({ "combiner": "OR" })),
        each("google_sql_database_instance", &SERVICES, |_| json!({ "deletion_protection": true })),
        each("google_storage_bucket", &SERVICES, |_| json!({ "force_destroy": false })),
    ]
    .concat();
    plan(vec![("module.network", network), ("module.app", services)])
}

/// A service beside the cloud's plan: a gateway of Spring's with a server of its own.
const SERVICE: &str = "\
server:
  tomcat:
    keep-alive-timeout: 90s
spring:
  cloud:
    gateway:
      httpclient:
        pool:
          max-idle-time: 55s
  datasource:
    url: jdbc:postgresql://db.internal/shop
    hikari:
      maximum-pool-size: 20
      minimum-idle: 5
      idle-timeout: 300000
      max-lifetime: 1200000
";

fn check_with_service(plan: &str) -> Report {
    let documents =
        [Document::new("plan.json", plan), Document::new("src/application.yml", SERVICE)];
    check(&documents).unwrap()
}

#[test]
fn large_plans_that_are_in_order_give_no_finding() {
    for (cloud, plan) in [("aws", aws(60)), ("azure", azure(4)), ("google", google(1200))] {
        let resources = plan.matches("\"address\"").count();
        assert!(resources > 100, "{cloud}: {resources}");
        let report = check_with_service(&plan);
        assert!(report.findings.is_empty(), "{cloud}: {:#?}", report.findings);
        assert!(report.legs > 0, "{cloud}: nothing was judged");
    }
}

#[test]
fn one_changed_timer_of_a_large_plan_is_found() {
    let ids = |plan: &str| -> Vec<&'static str> {
        check_with_service(plan).findings.iter().map(|finding| finding.rule.id).collect()
    };
    assert_eq!(ids(&aws(120)), ["timeout-order"]);
    assert_eq!(ids(&aws(90)), ["timeout-equal"]);
    assert_eq!(ids(&google(50)), ["pool-outlives-box"]);
}
