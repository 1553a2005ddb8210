/** What has to be undone, in the reverse order, with the shape that the helpers of the tests take. */
export function createCleanup() {
  const steps: (() => unknown)[] = [];
  return {
    teardown: (step: () => unknown) => {
      steps.push(step);
    },
    run: async () => {
      for (let step = steps.pop(); step; step = steps.pop()) await step();
    },
  };
}
