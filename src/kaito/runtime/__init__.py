"""Programs that run inside pods. They see only the pod contract in kaito.api."""
