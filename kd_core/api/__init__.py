"""Python interface: functions and results that ``kd_core`` re-exports."""
