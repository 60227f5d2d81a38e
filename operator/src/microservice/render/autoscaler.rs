//! The HorizontalPodAutoscaler.

use flotilla_crds::v1alpha1::{
    Autoscaling, ExternalMetric, ObjectMetric, PodsMetric, ScalingBehavior, ScalingMetric, ScalingPolicyType,
    ScalingRules, SelectPolicy,
};
use k8s_openapi::{
    api::autoscaling::v2::{
        CrossVersionObjectReference, ExternalMetricSource, HPAScalingPolicy, HPAScalingRules,
        HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec,
        MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource, PodsMetricSource,
        ResourceMetricSource,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector},
};

use super::{Unmet, container::canonical, metadata};
use crate::microservice::validate::{Scale, Validated};

/// `None` without autoscaling, and with triggers, which are KEDA's.
pub(super) fn render(service: &Validated) -> Option<HorizontalPodAutoscaler> {
    let Scale::Automatic(autoscaling) = &service.scale else {
        return None;
    };
    if !autoscaling.triggers.is_empty() {
        return None;
    }
    Some(HorizontalPodAutoscaler {
        metadata: metadata(service),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(service.workload.api_version()),
                kind: service.workload.name().to_owned(),
                name: service.name.clone(),
            },
            min_replicas: Some(autoscaling.min()),
            max_replicas: autoscaling.max,
            metrics: Some(metrics(autoscaling, requests_metric(service))),
            behavior: autoscaling.behavior.as_ref().map(behavior),
        }),
        status: None,
    })
}

/// What stands in the way of a target of requests per second.
pub(super) fn unmet(service: &Validated) -> Option<Unmet> {
    let Scale::Automatic(Autoscaling { requests_per_second: Some(_), .. }) = &service.scale else {
        return None;
    };
    if requests_metric(service).is_some() {
        return None;
    }
    let message = match &service.class.name {
        Some(class) => format!(
            "spec.autoscaling.requestsPerSecond: class {class:?} names no metric for it in autoscaling.requestsPerSecondMetric: have it named, or write the metric in spec.autoscaling.metrics"
        ),
        None => "spec.autoscaling.requestsPerSecond: only a MicroserviceClass says which metric that is, and this service has none: write the metric in spec.autoscaling.metrics".to_owned(),
    };
    Some(Unmet { is_fatal: true, reason: "MissingCapability", message })
}

/// The metric of requests per second, if the class names one.
fn requests_metric(service: &Validated) -> Option<&str> {
    service.class.spec.autoscaling.as_ref()?.requests_per_second_metric.as_deref()
}

fn metrics(autoscaling: &Autoscaling, requests_metric: Option<&str>) -> Vec<MetricSpec> {
    let requests =
        autoscaling.requests_per_second.zip(requests_metric).map(|(target_value, name)| MetricSpec {
            type_: "Pods".to_owned(),
            pods: Some(PodsMetricSource {
                metric: identifier(name),
                target: target(None, Some(&target_value.to_string())),
            }),
            ..MetricSpec::default()
        });
    let nothing_written = autoscaling.cpu.is_none()
        && autoscaling.memory.is_none()
        && requests.is_none()
        && autoscaling.metrics.is_empty();
    let cpu = autoscaling.cpu.or(nothing_written.then_some(Autoscaling::DEFAULT_CPU));
    let resource = |name: &str, percent: i32| MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: name.to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    let cpu = cpu.map(|percent| resource("cpu", percent));
    let memory = autoscaling.memory.map(|percent| resource("memory", percent));
    cpu.into_iter()
        .chain(memory)
        .chain(requests)
        .chain(autoscaling.metrics.iter().filter_map(metric))
        .collect()
}

/// `None` for a metric without a source, which its CEL rule refuses.
fn metric(metric: &ScalingMetric) -> Option<MetricSpec> {
    let ScalingMetric { pods, object, external } = metric;
    let of_pods = |source: &PodsMetric| MetricSpec {
        type_: "Pods".to_owned(),
        pods: Some(PodsMetricSource {
            metric: identifier(&source.name),
            target: target(None, Some(&source.average_value.0)),
        }),
        ..MetricSpec::default()
    };
    let of_object = |source: &ObjectMetric| MetricSpec {
        type_: "Object".to_owned(),
        object: Some(ObjectMetricSource {
            described_object: CrossVersionObjectReference {
                api_version: Some(source.described_object.api_version.clone()),
                kind: source.described_object.kind.clone(),
                name: source.described_object.name.clone(),
            },
            metric: identifier(&source.name),
            target: target(
                source.value.as_ref().map(|value| &*value.0),
                source.average_value.as_ref().map(|value| &*value.0),
            ),
        }),
        ..MetricSpec::default()
    };
    let of_external = |source: &ExternalMetric| MetricSpec {
        type_: "External".to_owned(),
        external: Some(ExternalMetricSource {
            metric: MetricIdentifier {
                selector: (!source.match_labels.is_empty()).then(|| LabelSelector {
                    match_labels: Some(source.match_labels.clone()),
                    ..LabelSelector::default()
                }),
                ..identifier(&source.name)
            },
            target: target(
                source.value.as_ref().map(|value| &*value.0),
                source.average_value.as_ref().map(|value| &*value.0),
            ),
        }),
        ..MetricSpec::default()
    };
    let pods = pods.as_ref().map(of_pods);
    pods.or_else(|| object.as_ref().map(of_object)).or_else(|| external.as_ref().map(of_external))
}

fn identifier(name: &str) -> MetricIdentifier {
    MetricIdentifier { name: name.to_owned(), selector: None }
}

fn target(value: Option<&str>, average_value: Option<&str>) -> MetricTarget {
    let quantity = |text: &str| Quantity(canonical(text));
    let type_ = if value.is_some() { "Value" } else { "AverageValue" };
    MetricTarget {
        type_: type_.to_owned(),
        value: value.map(quantity),
        average_value: average_value.map(quantity),
        average_utilization: None,
    }
}

fn behavior(behavior: &ScalingBehavior) -> HorizontalPodAutoscalerBehavior {
    HorizontalPodAutoscalerBehavior {
        scale_up: behavior.scale_up.as_ref().map(rules),
        scale_down: behavior.scale_down.as_ref().map(rules),
    }
}

fn rules(rules: &ScalingRules) -> HPAScalingRules {
    let select = |policy: SelectPolicy| match policy {
        SelectPolicy::Max => "Max".to_owned(),
        SelectPolicy::Min => "Min".to_owned(),
        SelectPolicy::Disabled => "Disabled".to_owned(),
    };
    let policies: Vec<_> = rules
        .policies
        .iter()
        .map(|policy| HPAScalingPolicy {
            type_: match policy.type_ {
                ScalingPolicyType::Pods => "Pods".to_owned(),
                ScalingPolicyType::Percent => "Percent".to_owned(),
            },
            value: policy.value,
            period_seconds: policy.period_seconds,
        })
        .collect();
    HPAScalingRules {
        stabilization_window_seconds: rules.stabilization_window_seconds,
        select_policy: rules.select_policy.map(select),
        policies: (!policies.is_empty()).then_some(policies),
        ..HPAScalingRules::default()
    }
}
