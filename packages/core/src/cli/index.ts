/**
 * Shared by the commands of all packages: the host's folder, its environment files and its
 * configuration, and a progress bar.
 *
 * @module
 */

export { findConfig, type Host, loadConfig, openHost } from './config-file.ts'
export { readEnvFiles } from './env-files.ts'
export { createProgress, type Progress } from './progress.ts'
