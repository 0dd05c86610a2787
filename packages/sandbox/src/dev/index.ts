export { type RunLocalOptions, runLocal } from './run.ts'
export type { OwnSandboxOptions } from './services.ts'
