// The API service beyond an ordinary day: the arrival rate rises to PEAK a second and falls again.
//   k6 run tests/performance/stress_test.js
//   k6 run -e BASE_URL=http://127.0.0.1:8000 -e PEAK=200 -e STAGE=30s tests/performance/stress_test.js
// It may get slower, within limits; it may not answer wrongly, and it has to recover: after the peak, `recovery` asks
// at a low rate again, with the limits of an ordinary day.
import http from "k6/http";
import { check } from "k6";

const BASE_URL = (__ENV.BASE_URL || "http://127.0.0.1:8000").replace(/\/+$/, "");
const PEAK = Number(__ENV.PEAK || 100);
const STAGE = Number((__ENV.STAGE || "10s").replace(/s$/, "")); // seconds

export const options = {
  scenarios: {
    stress: {
      executor: "ramping-arrival-rate",
      startRate: 1,
      timeUnit: "1s",
      preAllocatedVUs: PEAK,
      maxVUs: 5 * PEAK,
      stages: [
        { target: PEAK, duration: `${STAGE}s` },
        { target: PEAK, duration: `${STAGE}s` },
        { target: 1, duration: `${STAGE}s` },
      ],
    },
    recovery: {
      executor: "constant-arrival-rate",
      rate: 5,
      timeUnit: "1s",
      duration: `${STAGE}s`,
      startTime: `${3 * STAGE}s`,
      preAllocatedVUs: 5,
      maxVUs: 50,
    },
  },
  thresholds: {
    checks: ["rate>0.99"],
    http_req_failed: ["rate<0.01"],
    "http_req_duration{scenario:stress}": ["p(95)<2000"],
    "http_req_duration{scenario:recovery}": ["p(95)<500"],
    "checks{scenario:recovery}": ["rate==1"],
    dropped_iterations: ["count==0"],
  },
};

export default function () {
  const path = Math.random() < 0.2 ? "/healthz" : "/api/v1/runs";
  const answer = http.get(`${BASE_URL}${path}`, { tags: { name: path } });
  check(answer, { "answer is 200": (r) => r.status === 200 });
}
