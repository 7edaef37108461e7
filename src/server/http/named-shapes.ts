/** What the shapes of answers are called in the description of the API, so that a client that is generated from it has a type for each. */
import { z } from 'zod'
import * as wire from '../../wire/index.ts'
import { problemDescription } from './route-schema.ts'

export const namedShapes = z.registry<{ id: string }>()

const NAMES: Readonly<Record<string, z.ZodType>> = {
  Problem: problemDescription,
  Account: wire.accountShape,
  Caller: wire.callerShape,
  Session: wire.browserSessionShape,
  Token: wire.tokenDescriptionShape,
  AuditEntry: wire.auditEntryShape,
  Approval: wire.approvalShape,
  Refusal: wire.refusalShape,
  Agent: wire.agentDescriptionShape,
  Enrolment: wire.enrolmentDescriptionShape,
  DataSource: wire.sourceDescriptionShape,
  ProtectionGroup: wire.groupDescriptionShape,
  GroupChanged: wire.groupChangedShape,
  Job: wire.jobDescriptionShape,
  JobDetail: wire.jobDetailShape,
  JobStarted: wire.jobStartedShape,
  LogLine: wire.logLineShape,
  RecoveryPoint: wire.pointDescriptionShape,
  Why: wire.whyShape,
  Deletion: wire.deletionShape,
  Alert: wire.alertDescriptionShape,
  Channel: wire.channelShape,
  Delivery: wire.deliveryShape,
  GateState: wire.gateStateShape,
  SourceStatus: wire.sourceStatusShape,
  Status: wire.statusShape,
  PoolVolume: wire.poolShape,
  PoolUsage: wire.poolUsageShape,
  Entry: wire.entryShape,
  Difference: wire.differenceShape,
  FileVersion: wire.versionShape,
  RecoveryPlan: wire.plannedShape,
  SearchHit: wire.searchHitShape,
}
for (const [id, shape] of Object.entries(NAMES)) namedShapes.add(shape, { id })
