/**
 * The doctor, for commands: it examines a host by the checks of its own instances.
 *
 * @module
 */

export { runDoctor } from './command.ts'
export { type DoctorOptions, examine } from './examine.ts'
export { testedFor } from './host-checks.ts'
export { type PackageTests, runPackageTests } from './package-tests.ts'
export type { DoctorReport, DoctorWatcher, Finding } from './report.ts'
