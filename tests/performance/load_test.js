// The API service under the load of an ordinary day:
//   k6 run tests/performance/load_test.js
//   k6 run -e BASE_URL=http://127.0.0.1:8000 -e RATE=50 -e DURATION=1m tests/performance/load_test.js
// An open model: requests arrive at RATE a second whatever the answers take. Where k6 cannot keep that up the service
// was not given the load that was asked for, so a dropped iteration fails the run.
import http from "k6/http";
import { check } from "k6";

const BASE_URL = (__ENV.BASE_URL || "http://127.0.0.1:8000").replace(/\/+$/, "");
const RATE = Number(__ENV.RATE || 20);

export const options = {
  scenarios: {
    ordinary_day: {
      executor: "constant-arrival-rate",
      rate: RATE,
      timeUnit: "1s",
      duration: __ENV.DURATION || "30s",
      preAllocatedVUs: RATE,
      maxVUs: 10 * RATE,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate<0.01"],
    "http_req_duration{name:/healthz}": ["p(95)<100"],
    "http_req_duration{name:/api/v1/runs}": ["p(95)<500", "p(99)<1000"],
    dropped_iterations: ["count==0"],
  },
};

export default function () {
  const health = http.get(`${BASE_URL}/healthz`, { tags: { name: "/healthz" } });
  check(health, { "healthz is 200": (r) => r.status === 200 });

  const runs = http.get(`${BASE_URL}/api/v1/runs`, { tags: { name: "/api/v1/runs" } });
  check(runs, {
    "runs is 200": (r) => r.status === 200,
    "runs is JSON": (r) => (r.headers["Content-Type"] || "").startsWith("application/json"),
  });
}
