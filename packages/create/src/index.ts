/**
 * Copies Tollgate's packages into a repository and keeps them up to date. Plans change nothing; `applyPlan` applies a
 * plan whole or not at all.
 *
 * @module
 */

export { applyPlan, forgetLast, planAbort, takeBackPending } from './apply.ts'
export { type Checkout, closureOf, openCheckout, type Part, type RootManifest } from './checkout.ts'
export { type HostChange, hostChanges } from './diff.ts'
export { CreateError, type CreateErrorCode } from './errors.ts'
export type { FileState, ReadFile } from './files.ts'
export { type Host, type HostPackage, openHost, type PackageManager } from './host.ts'
export type { LayoutOptions } from './layout.ts'
export type { Manifest } from './manifest.ts'
export type { Layout } from './place.ts'
export type { Change, Note, Plan, Reason } from './plan.ts'
export { type AddOptions, planAdd } from './plan-add.ts'
export { planRemove } from './plan-remove.ts'
export { planUpdate, type UpdateOptions } from './plan-update.ts'
export { type Edit, type Receipt, readReceipt } from './receipt.ts'
export { type VariableState, variablesOf } from './variables.ts'
