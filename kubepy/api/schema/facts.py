"""Facts about the Go types that the published definitions leave out: what is a pointer, what is omitted when empty, type names.

Pure data. They decide which zero values survive a round trip, and what type errors say. One line per definition, in
sections by package: `field[:GoType][=flags]`, with flags p (pointer), o (omitempty), z (omitzero), - (none of them). Only what
differs from the rule is listed: required fields have no flags; optional structs are `po`, other optional fields `o`; `metadata`
is `o`; the Go type follows from the schema. Upstream: types.go of k8s.io/api, apimachinery, apiextensions-apiserver.
"""

from __future__ import annotations

FACTS = """
[io.k8s.api.admissionregistration.v1]
MatchResources matchPolicy:v1.MatchPolicyType=po
MutatingAdmissionPolicy spec=o
MutatingAdmissionPolicyBinding spec=o
MutatingAdmissionPolicySpec failurePolicy:v1.FailurePolicyType=po reinvocationPolicy:v1.ReinvocationPolicyType
MutatingWebhook failurePolicy:v1.FailurePolicyType=po matchPolicy:v1.MatchPolicyType=po reinvocationPolicy:v1.ReinvocationPolicyType=po
  sideEffects:v1.SideEffectClass=p timeoutSeconds=po
Mutation patchType:v1.PatchType
NamedRuleWithOperations operations:[]v1.OperationType scope:v1.ScopeType=po
ParamRef parameterNotFoundAction:v1.ParameterNotFoundActionType=po
RuleWithOperations operations:[]v1.OperationType scope:v1.ScopeType=po
ServiceReference path=po port=po
ValidatingAdmissionPolicy spec=o status=o
ValidatingAdmissionPolicyBinding spec=o
ValidatingAdmissionPolicyBindingSpec policyName=o validationActions:[]v1.ValidationAction=o
ValidatingAdmissionPolicySpec failurePolicy:v1.FailurePolicyType=po
ValidatingWebhook failurePolicy:v1.FailurePolicyType=po matchPolicy:v1.MatchPolicyType=po sideEffects:v1.SideEffectClass=p
  timeoutSeconds=po
Validation reason:v1.StatusReason=po
WebhookClientConfig url=po
[io.k8s.api.apps.v1]
ControllerRevision data=-
DaemonSet spec=o status=o
DaemonSetCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.DaemonSetConditionType
DaemonSetSpec revisionHistoryLimit=po selector=p updateStrategy=o
DaemonSetStatus collisionCount=po
DaemonSetUpdateStrategy type:v1.DaemonSetUpdateStrategyType
Deployment spec=o status=o
DeploymentCondition lastTransitionTime=o lastUpdateTime=o status:v1.ConditionStatus type:v1.DeploymentConditionType
DeploymentSpec progressDeadlineSeconds=po replicas=po revisionHistoryLimit=po selector=p strategy=o
DeploymentStatus collisionCount=po terminatingReplicas=po
DeploymentStrategy type:v1.DeploymentStrategyType
ReplicaSet spec=o status=o
ReplicaSetCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.ReplicaSetConditionType
ReplicaSetSpec replicas=po selector=p template=o
ReplicaSetStatus terminatingReplicas=po
RollingUpdateStatefulSetStrategy partition=po
StatefulSet spec=o status=o
StatefulSetCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.StatefulSetConditionType
StatefulSetOrdinals start=-
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted:v1.PersistentVolumeClaimRetentionPolicyType
  whenScaled:v1.PersistentVolumeClaimRetentionPolicyType
StatefulSetSpec podManagementPolicy:v1.PodManagementPolicyType replicas=po revisionHistoryLimit=po selector=p serviceName=-
  updateStrategy=o
StatefulSetStatus availableReplicas=- collisionCount=po
StatefulSetUpdateStrategy type:v1.StatefulSetUpdateStrategyType
[io.k8s.api.authentication.v1]
BoundObjectReference uid:types.UID
SelfSubjectReview status=o
SelfSubjectReviewStatus userInfo=o
TokenRequest spec=- status=o
TokenRequestSpec audiences=- boundObjectRef=p expirationSeconds=p
TokenRequestStatus expirationTimestamp=- token=-
TokenReview status=o
TokenReviewSpec token=o
TokenReviewStatus user=o
UserInfo extra:map[string]v1.ExtraValue
[io.k8s.api.authorization.v1]
LocalSubjectAccessReview status=o
SelfSubjectAccessReview status=o
SelfSubjectRulesReview status=o
SubjectAccessReview status=o
SubjectAccessReviewSpec extra:map[string]v1.ExtraValue
[io.k8s.api.autoscaling.v1]
HorizontalPodAutoscaler spec=o status=o
HorizontalPodAutoscalerSpec minReplicas=po targetCPUUtilizationPercentage=po
HorizontalPodAutoscalerStatus currentCPUUtilizationPercentage=po observedGeneration=po
Scale spec=o status=o
[io.k8s.api.autoscaling.v2]
ContainerResourceMetricSource name:v1.ResourceName
ContainerResourceMetricStatus name:v1.ResourceName
HPAScalingPolicy type:v2.HPAScalingPolicyType
HPAScalingRules policies=po selectPolicy:v2.ScalingPolicySelect=po stabilizationWindowSeconds=po
HorizontalPodAutoscaler spec=o status=o
HorizontalPodAutoscalerCondition lastTransitionTime=o status:v1.ConditionStatus type:v2.HorizontalPodAutoscalerConditionType
HorizontalPodAutoscalerSpec minReplicas=po
HorizontalPodAutoscalerStatus currentMetrics=- observedGeneration=po
MetricSpec type:v2.MetricSourceType
MetricStatus type:v2.MetricSourceType
MetricTarget averageUtilization=po type:v2.MetricTargetType
MetricValueStatus averageUtilization=po
ResourceMetricSource name:v1.ResourceName
ResourceMetricStatus name:v1.ResourceName
[io.k8s.api.batch.v1]
CronJob spec=o status=o
CronJobSpec concurrencyPolicy:v1.ConcurrencyPolicy failedJobsHistoryLimit=po startingDeadlineSeconds=po successfulJobsHistoryLimit=po
  suspend=po timeZone=po
Job spec=o status=o
JobCondition lastProbeTime=o lastTransitionTime=o status:v1.ConditionStatus type:v1.JobConditionType
JobSpec activeDeadlineSeconds=po backoffLimit=po backoffLimitPerIndex=po completionMode:v1.CompletionMode=po completions=po managedBy=po
  manualSelector=po maxFailedIndexes=po parallelism=po podReplacementPolicy:v1.PodReplacementPolicy=po suspend=po
  ttlSecondsAfterFinished=po
JobStatus failedIndexes=po ready=po terminating=po
JobTemplateSpec spec=o
PodFailurePolicyOnExitCodesRequirement containerName=po operator:v1.PodFailurePolicyOnExitCodesOperator
PodFailurePolicyOnPodConditionsPattern status:v1.ConditionStatus=- type:v1.PodConditionType
PodFailurePolicyRule action:v1.PodFailurePolicyAction
SuccessPolicyRule succeededCount=po succeededIndexes=po
UncountedTerminatedPods failed:[]types.UID succeeded:[]types.UID
[io.k8s.api.certificates.v1]
CertificateSigningRequest status=o
CertificateSigningRequestCondition lastTransitionTime=o lastUpdateTime=o status:v1.ConditionStatus type:v1.RequestConditionType
CertificateSigningRequestSpec expirationSeconds=po extra:map[string]v1.ExtraValue usages:[]v1.KeyUsage
[io.k8s.api.coordination.v1]
Lease spec=o
LeaseSpec holderIdentity=po leaseDurationSeconds=po leaseTransitions=po preferredHolder=po strategy:v1.CoordinatedLeaseStrategy=po
[io.k8s.api.core.v1]
AppArmorProfile localhostProfile=po type:v1.AppArmorProfileType
AttachedVolume name:v1.UniqueVolumeName
AzureDiskVolumeSource cachingMode:v1.AzureDataDiskCachingMode=po fsType=po kind:v1.AzureDataDiskKind=po readOnly=po
AzureFilePersistentVolumeSource secretNamespace=p
CSIVolumeSource fsType=po readOnly=po
Capabilities add:[]v1.Capability drop:[]v1.Capability
ClientIPConfig timeoutSeconds=po
ClusterTrustBundleProjection name=po optional=po signerName=po
ComponentCondition status:v1.ConditionStatus type:v1.ComponentConditionType
ConfigMap immutable=po
ConfigMapEnvSource optional=po
ConfigMapKeySelector optional=po
ConfigMapNodeConfigSource uid:types.UID
ConfigMapProjection optional=po
ConfigMapVolumeSource defaultMode=po optional=po
Container imagePullPolicy:v1.PullPolicy resources=o restartPolicy:v1.ContainerRestartPolicy=po
  terminationMessagePolicy:v1.TerminationMessagePolicy
ContainerImage names=-
ContainerPort protocol:v1.Protocol
ContainerResizePolicy resourceName:v1.ResourceName restartPolicy:v1.ResourceResizeRestartPolicy
ContainerRestartRule action:v1.ContainerRestartRuleAction=o
ContainerRestartRuleOnExitCodes operator:v1.ContainerRestartRuleOnExitCodesOperator=o
ContainerStateRunning startedAt=o
ContainerStateTerminated finishedAt=o startedAt=o
ContainerStatus allocatedResources:v1.ResourceList lastState=o started=po state=o stopSignal:v1.Signal=po
DownwardAPIVolumeFile mode=po
DownwardAPIVolumeSource defaultMode=po
EmptyDirVolumeSource medium:v1.StorageMedium
EndpointAddress nodeName=po
EndpointPort appProtocol=po protocol:v1.Protocol
EphemeralContainer imagePullPolicy:v1.PullPolicy resources=o restartPolicy:v1.ContainerRestartPolicy=po
  terminationMessagePolicy:v1.TerminationMessagePolicy
Event eventTime=o firstTimestamp=o lastTimestamp=o reportingComponent=- reportingInstance=- source=o
EventSeries lastObservedTime=o
FCVolumeSource lun=po
FileKeySelector optional=po
GRPCAction service=p
GlusterfsPersistentVolumeSource endpointsNamespace=po
HTTPGetAction scheme:v1.URIScheme
HostPathVolumeSource type:v1.HostPathType=po
ISCSIPersistentVolumeSource initiatorName=po
ISCSIVolumeSource initiatorName=po
ImageVolumeSource pullPolicy:v1.PullPolicy
ImageVolumeStatus imageRef=o
KeyToPath mode=po
Lifecycle stopSignal:v1.Signal=po
LimitRange spec=o
LimitRangeItem default:v1.ResourceList defaultRequest:v1.ResourceList max:v1.ResourceList maxLimitRequestRatio:v1.ResourceList
  min:v1.ResourceList type:v1.LimitType
LoadBalancerIngress ipMode:v1.LoadBalancerIPMode=po
LocalVolumeSource fsType=po
ModifyVolumeStatus status:v1.PersistentVolumeClaimModifyVolumeStatus
Namespace spec=o status=o
NamespaceCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.NamespaceConditionType
NamespaceSpec finalizers:[]v1.FinalizerName
NamespaceStatus phase:v1.NamespacePhase
Node spec=o status=o
NodeAddress type:v1.NodeAddressType
NodeCondition lastHeartbeatTime=o lastTransitionTime=o status:v1.ConditionStatus type:v1.NodeConditionType
NodeDaemonEndpoints kubeletEndpoint=o
NodeFeatures supplementalGroupsPolicy=po
NodeRuntimeHandler name=-
NodeRuntimeHandlerFeatures recursiveReadOnlyMounts=po userNamespaces=po
NodeSelectorRequirement operator:v1.NodeSelectorOperator
NodeStatus allocatable:v1.ResourceList capacity:v1.ResourceList daemonEndpoints=o nodeInfo=o phase:v1.NodePhase
  volumesInUse:[]v1.UniqueVolumeName
NodeSwapStatus capacity=po
ObjectReference uid:types.UID
PersistentVolume spec=o status=o
PersistentVolumeClaim spec=o status=o
PersistentVolumeClaimCondition lastProbeTime=o lastTransitionTime=o status:v1.ConditionStatus type:v1.PersistentVolumeClaimConditionType
PersistentVolumeClaimSpec accessModes:[]v1.PersistentVolumeAccessMode resources=o storageClassName=po volumeAttributesClassName=po
  volumeMode:v1.PersistentVolumeMode=po
PersistentVolumeClaimStatus accessModes:[]v1.PersistentVolumeAccessMode
  allocatedResourceStatuses:map[v1.ResourceName]v1.ClaimResourceStatus allocatedResources:v1.ResourceList capacity:v1.ResourceList
  currentVolumeAttributesClassName=po phase:v1.PersistentVolumeClaimPhase
PersistentVolumeSpec accessModes:[]v1.PersistentVolumeAccessMode capacity:v1.ResourceList
  persistentVolumeReclaimPolicy:v1.PersistentVolumeReclaimPolicy volumeAttributesClassName=po volumeMode:v1.PersistentVolumeMode=po
PersistentVolumeStatus phase:v1.PersistentVolumePhase
Pod spec=o status=o
PodCertificateProjection keyType=o maxExpirationSeconds=po signerName=o
PodCondition lastProbeTime=o lastTransitionTime=o status:v1.ConditionStatus type:v1.PodConditionType
PodDNSConfigOption value=po
PodOS name:v1.OSName
PodReadinessGate conditionType:v1.PodConditionType
PodResourceClaim resourceClaimName=po resourceClaimTemplateName=po
PodResourceClaimStatus resourceClaimName=po
PodSchedulingGroup podGroupName=po
PodSecurityContext fsGroup=po fsGroupChangePolicy:v1.PodFSGroupChangePolicy=po runAsGroup=po runAsNonRoot=po runAsUser=po
  seLinuxChangePolicy:v1.PodSELinuxChangePolicy=po supplementalGroupsPolicy:v1.SupplementalGroupsPolicy=po
PodSpec activeDeadlineSeconds=po automountServiceAccountToken=po dnsPolicy:v1.DNSPolicy enableServiceLinks=po hostUsers=po
  hostnameOverride=po overhead:v1.ResourceList preemptionPolicy:v1.PreemptionPolicy=po priority=po restartPolicy:v1.RestartPolicy
  runtimeClassName=po setHostnameAsFQDN=po shareProcessNamespace=po terminationGracePeriodSeconds=po
PodStatus allocatedResources:v1.ResourceList phase:v1.PodPhase qosClass:v1.PodQOSClass resize:v1.PodResizeStatus
PodTemplate template=o
PodTemplateSpec spec=o
PortStatus error=po protocol:v1.Protocol
Probe terminationGracePeriodSeconds=po
ProjectedVolumeSource defaultMode=po sources=-
ReplicationController spec=o status=o
ReplicationControllerCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.ReplicationControllerConditionType
ReplicationControllerSpec replicas=po
ResourceFieldSelector divisor=o
ResourceHealth health:v1.ResourceHealthStatus message=po resourceID:v1.ResourceID
ResourceQuota spec=o status=o
ResourceQuotaSpec hard:v1.ResourceList scopes:[]v1.ResourceQuotaScope
ResourceQuotaStatus hard:v1.ResourceList used:v1.ResourceList
ResourceRequirements limits:v1.ResourceList requests:v1.ResourceList
ResourceStatus name:v1.ResourceName
ScaleIOPersistentVolumeSource secretRef=p
ScaleIOVolumeSource secretRef=p
ScopedResourceSelectorRequirement operator:v1.ScopeSelectorOperator scopeName:v1.ResourceQuotaScope
SeccompProfile localhostProfile=po type:v1.SeccompProfileType
Secret immutable=po type:v1.SecretType
SecretEnvSource optional=po
SecretKeySelector optional=po
SecretProjection optional=po
SecretVolumeSource defaultMode=po optional=po
SecurityContext allowPrivilegeEscalation=po privileged=po procMount:v1.ProcMountType=po readOnlyRootFilesystem=po runAsGroup=po
  runAsNonRoot=po runAsUser=po
Service spec=o status=o
ServiceAccount automountServiceAccountToken=po
ServiceAccountTokenProjection expirationSeconds=po
ServicePort appProtocol=po protocol:v1.Protocol targetPort=o
ServiceSpec allocateLoadBalancerNodePorts=po externalTrafficPolicy:v1.ServiceExternalTrafficPolicy
  internalTrafficPolicy:v1.ServiceInternalTrafficPolicy=po ipFamilies:[]v1.IPFamily ipFamilyPolicy:v1.IPFamilyPolicy=po
  loadBalancerClass=po sessionAffinity:v1.ServiceAffinity trafficDistribution=po type:v1.ServiceType
ServiceStatus loadBalancer=o
Taint effect:v1.TaintEffect
Toleration effect:v1.TaintEffect operator:v1.TolerationOperator tolerationSeconds=po
TopologySpreadConstraint minDomains=po nodeAffinityPolicy:v1.NodeInclusionPolicy=po nodeTaintsPolicy:v1.NodeInclusionPolicy=po
  whenUnsatisfiable:v1.UnsatisfiableConstraintAction
TypedLocalObjectReference apiGroup=p
TypedObjectReference apiGroup=p namespace=po
VolumeMount mountPropagation:v1.MountPropagationMode=po recursiveReadOnly:v1.RecursiveReadOnlyMode=po
VolumeMountStatus recursiveReadOnly:v1.RecursiveReadOnlyMode=po
VolumeResourceRequirements limits:v1.ResourceList requests:v1.ResourceList
WindowsSecurityContextOptions gmsaCredentialSpec=po gmsaCredentialSpecName=po hostProcess=po runAsUserName=po
[io.k8s.api.discovery.v1]
Endpoint conditions=o hostname=po nodeName=po zone=po
EndpointConditions ready=po serving=po terminating=po
EndpointPort appProtocol=po name=po port=po protocol:v1.Protocol=po
EndpointSlice addressType:v1.AddressType endpoints=- ports=-
[io.k8s.api.events.v1]
Event deprecatedFirstTimestamp=o deprecatedLastTimestamp=o deprecatedSource=o metadata=- regarding=o
[io.k8s.api.flowcontrol.v1]
ExemptPriorityLevelConfiguration lendablePercent=po nominalConcurrencyShares=po
FlowDistinguisherMethod type:v1.FlowDistinguisherMethodType
FlowSchema spec=o status=o
FlowSchemaCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.FlowSchemaConditionType
FlowSchemaSpec matchingPrecedence=-
LimitResponse type:v1.LimitResponseType
LimitedPriorityLevelConfiguration borrowingLimitPercent=po lendablePercent=po limitResponse=o nominalConcurrencyShares=p
PriorityLevelConfiguration spec=o status=o
PriorityLevelConfigurationCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.PriorityLevelConfigurationConditionType
PriorityLevelConfigurationSpec type:v1.PriorityLevelEnablement
QueuingConfiguration handSize=- queueLengthLimit=- queues=-
ResourcePolicyRule namespaces=-
Subject kind:v1.SubjectKind
[io.k8s.api.networking.v1]
HTTPIngressPath pathType:v1.PathType=p
IPAddress spec=o
IPAddressSpec parentRef=po
Ingress spec=o status=o
IngressClass spec=o
IngressClassParametersReference apiGroup=po namespace=po scope=p
IngressPortStatus error=po protocol:v1.Protocol
IngressServiceBackend port=o
IngressSpec ingressClassName=po
IngressStatus loadBalancer=o
NetworkPolicy spec=o
NetworkPolicyPort endPort=po protocol:v1.Protocol=po
NetworkPolicySpec podSelector=- policyTypes:[]v1.PolicyType
ParentReference name=o resource=o
ServiceCIDR spec=o status=o
[io.k8s.api.node.v1]
Overhead podFixed:v1.ResourceList
[io.k8s.api.policy.v1]
PodDisruptionBudget spec=o status=o
PodDisruptionBudgetSpec unhealthyPodEvictionPolicy:v1.UnhealthyPodEvictionPolicyType=po
PodDisruptionBudgetStatus currentHealthy=- desiredHealthy=- disruptionsAllowed=- expectedPods=-
[io.k8s.api.rbac.v1]
ClusterRole rules=-
Role rules=-
RoleRef apiGroup=-
[io.k8s.api.resource.v1]
AllocatedDeviceStatus conditions=- shareID=po
AllocationResult devices=o
CapacityRequestPolicy default=p
CapacityRequestPolicyRange min=po
CapacityRequirements requests:map[v1.QualifiedName]resource.Quantity
CounterSet counters=o
Device allNodes=po allowMultipleAllocations=po attributes:map[v1.QualifiedName]v1.DeviceAttribute bindsToNode=po
  capacity:map[v1.QualifiedName]v1.DeviceCapacity nodeName=po
  nodeAllocatableResourceMappings:map[v1.ResourceName]v1.NodeAllocatableResourceMapping
DeviceAllocationConfiguration source:v1.AllocationConfigSource
DeviceAttribute bool=po int=po string=po version=po
DeviceClaim requests=-
DeviceClassSpec extendedResourceName=po
DeviceConstraint distinctAttribute:v1.FullyQualifiedName=po matchAttribute:v1.FullyQualifiedName=po
DeviceCounterConsumption counters=o
DeviceRequestAllocationResult adminAccess=po consumedCapacity:map[v1.QualifiedName]resource.Quantity shareID:types.UID=po
DeviceSubRequest allocationMode:v1.DeviceAllocationMode
DeviceTaint effect:v1.DeviceTaintEffect
DeviceToleration effect:v1.DeviceTaintEffect operator:v1.DeviceTolerationOperator tolerationSeconds=po
ExactDeviceRequest adminAccess=po allocationMode:v1.DeviceAllocationMode
ResourceClaim status=o
ResourceClaimConsumerReference uid:types.UID
ResourceClaimSpec devices=-
ResourceSliceSpec allNodes=po nodeName=po perDeviceNodeSelection=po
[io.k8s.api.scheduling.v1]
PriorityClass preemptionPolicy:v1.PreemptionPolicy=po value=-
[io.k8s.api.storage.v1]
CSIDriverSpec attachRequired=po fsGroupPolicy:v1.FSGroupPolicy=po nodeAllocatableUpdatePeriodSeconds=po podInfoOnMount=po
  preventPodSchedulingIfMissing=po requiresRepublish=po seLinuxMount=po serviceAccountTokenInSecrets=po storageCapacity=po
  volumeLifecycleModes:[]v1.VolumeLifecycleMode
CSINodeDriver topologyKeys=-
StorageClass allowVolumeExpansion=po reclaimPolicy:v1.PersistentVolumeReclaimPolicy=po volumeBindingMode:v1.VolumeBindingMode=po
TokenRequest expirationSeconds=po
VolumeAttachment status=o
VolumeAttachmentSource persistentVolumeName=po
VolumeError errorCode=po time=o
VolumeNodeResources count=po
[io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1]
CustomResourceConversion strategy:v1.ConversionStrategyType
CustomResourceDefinition status=o
CustomResourceDefinitionCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.CustomResourceDefinitionConditionType
CustomResourceDefinitionSpec scope:v1.ResourceScope
CustomResourceDefinitionStatus acceptedNames=- conditions=- storedVersions=-
CustomResourceDefinitionVersion deprecationWarning=po
CustomResourceSubresourceScale labelSelectorPath=po
JSONSchemaProps $ref=po $schema:v1.JSONSchemaURL definitions:v1.JSONSchemaDefinitions dependencies:v1.JSONSchemaDependencies maxItems=po
  maxLength=po maxProperties=po maximum=po minItems=po minLength=po minProperties=po minimum=po multipleOf=po x-kubernetes-list-type=po
  x-kubernetes-map-type=po x-kubernetes-preserve-unknown-fields=po x-kubernetes-validations:v1.ValidationRules
ServiceReference path=po port=po
ValidationRule optionalOldSelf=po reason:v1.FieldValueErrorReason=po
WebhookClientConfig url=po
[io.k8s.apimachinery.pkg.apis.meta.v1]
Condition status:v1.ConditionStatus
DeleteOptions gracePeriodSeconds=po ignoreStoreReadErrorWithClusterBreakingPotential=po orphanDependents=po
  propagationPolicy:v1.DeletionPropagation=po
FieldSelectorRequirement operator:v1.FieldSelectorOperator
LabelSelectorRequirement operator:v1.LabelSelectorOperator
ListMeta remainingItemCount=po
ManagedFieldsEntry operation:v1.ManagedFieldsOperationType
ObjectMeta creationTimestamp=oz deletionGracePeriodSeconds=po uid:types.UID
OwnerReference blockOwnerDeletion=po controller=po uid:types.UID
Preconditions resourceVersion=po uid:types.UID=po
Status reason:v1.StatusReason
StatusCause reason:v1.CauseType
StatusDetails uid:types.UID
[io.k8s.kube-aggregator.pkg.apis.apiregistration.v1]
APIService spec=o status=o
APIServiceCondition lastTransitionTime=o status:v1.ConditionStatus type:v1.APIServiceConditionType
APIServiceSpec caBundle=o
ServiceReference port=po
"""


def load() -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """definition → field → (Go type, flags); None where the rule holds."""
    out: dict[str, dict[str, tuple[str | None, str | None]]] = {}
    package = ""
    current: dict[str, tuple[str | None, str | None]] = {}
    for line in FACTS.strip().splitlines():
        if line.startswith("["):
            package = line[1:-1]
            continue
        words = line.split()
        if not line.startswith(" "):
            current = out.setdefault(f"{package}.{words.pop(0)}", {})
        for word in words:
            rest, equals, flags = word.partition("=")
            field, colon, go_type = rest.partition(":")
            current[field] = (go_type if colon else None, flags.replace("-", "") if equals else None)
    return out
