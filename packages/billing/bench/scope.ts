export * from '../../core/bench/scope.ts'
