export {
  countingEffects,
  createCallTable,
  type EffectCalls,
  readCalls,
} from '@repo/billing/testing'
export {
  type Chaos,
  createFated,
  type Fated,
  type Fault,
  fatedDatabase,
  fatedFetch,
  InjectedFault,
} from './chaos.ts'
export {
  type DeliveryKind,
  type DeliveryPlan,
  FORGED,
  type PlannedDelivery,
  planDeliveries,
  type SignedDelivery,
  signDelivery,
} from './deliveries.ts'
export {
  ACTS,
  type DrillAct,
  type DrillStep,
  drillHistory,
  type HistoryOptions,
} from './history.ts'
export { checkInvariants, hashOf, type InvariantOptions, type Witness } from './invariants.ts'
export {
  createLife,
  type DrillCustomer,
  type DrillOwner,
  type Life,
  type LifeOptions,
  type StandIn,
} from './life.ts'
export { createPost, type Due, type Post } from './post.ts'
export { createRandom, type Random } from './random.ts'
export type { Violation } from './violation.ts'
